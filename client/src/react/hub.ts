/** What lies between a client and the components below one provider: their feeds, and the connection as they see it. */

import { connect } from "../connect.ts";
import type { Client, ConnectOptions, Listener, Refetch, Status } from "../types.ts";
import { Feed, type FeedDefinition, LINGER_MS, type Supply } from "./feed.ts";
import { Frames } from "./frames.ts";

/** The connection at one moment, and what can be done about it. Another object after every change. */
export interface Connection extends Status {
  /** Leaves the gateway until `resume()`, which goes on where it stopped. */
  pause(): void;
  /** Ends `pause()`; while `waiting` it connects at once. */
  resume(): void;
}

/** A client that somebody else made and will close, or how to make one. */
export type Origin = { client: Client } | { url: string };

const BEFORE: Status = {
  state: "connecting",
  reason: "",
  code: 0,
  retryAt: undefined,
  gateway: undefined,
  latencyMs: undefined,
  throttle: 0,
};
/** Feeds that were made for a rendering that React gave up are looked for when so many are known. */
const SWEEP_AT = 256;

// An error in one component's fold or listener is the page's to hear of, and must not keep the others from their turn.
const complain = (error: unknown): void => {
  queueMicrotask(() => {
    throw error;
  });
};

export class Hub implements Supply {
  /** For a client that is made here, read when it is. */
  options: ConnectOptions | undefined;
  readonly #origin: Origin;
  readonly #named = new Map<string, Feed<unknown>>();
  readonly #defined = new WeakMap<object, Feed<unknown>>();
  readonly #names = new WeakMap<Feed<unknown>, string>();
  readonly #changed = new Set<Feed<unknown>>();
  readonly #connectionListeners = new Set<() => void>();
  readonly #refetchListeners = new Set<(refetch: Refetch) => void>();
  readonly #frames = new Frames(() => this.#flush());
  readonly #actions = { pause: () => this.#client?.pause(), resume: () => this.#client?.resume() };
  readonly #before: Connection = { ...BEFORE, ...this.#actions };
  #shown: Connection = this.#before;
  #client: Client | undefined;
  #offs: (() => void)[] = [];
  #users = 0;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** The feed of this name, which stands for its definition. */
  named<State, Data>(name: string, define: () => FeedDefinition<State, Data>): Feed<State> {
    const known = this.#named.get(name);
    if (known !== undefined) return known as Feed<State>;
    if (this.#named.size >= SWEEP_AT) this.#sweep();
    const feed = new Feed<State>(define(), this);
    this.#names.set(feed as Feed<unknown>, name);
    this.#named.set(name, feed as Feed<unknown>);
    return feed;
  }

  defined<State, Data>(definition: FeedDefinition<State, Data>): Feed<State> {
    const known = this.#defined.get(definition);
    if (known !== undefined) return known as Feed<State>;
    const feed = new Feed<State>(definition, this);
    this.#defined.set(definition, feed as Feed<unknown>);
    return feed;
  }

  #sweep(): void {
    for (const [name, feed] of this.#named) if (!feed.used) this.#named.delete(name);
  }

  // ——— for feeds ———

  join(channels: readonly string[], listener: Listener): () => void {
    this.retain();
    const leave = this.#connected().subscribe(channels, listener);
    return () => {
      leave();
      this.release();
    };
  }

  changed(feed: Feed<unknown>): void {
    this.#changed.add(feed);
    this.#frames.request();
  }

  adopt(feed: Feed<unknown>): void {
    const name = this.#names.get(feed);
    if (name !== undefined && !this.#named.has(name)) this.#named.set(name, feed);
  }

  drop(feed: Feed<unknown>): void {
    this.#changed.delete(feed);
    const name = this.#names.get(feed);
    if (name !== undefined && this.#named.get(name) === feed) this.#named.delete(name);
  }

  // ——— the client's life ———

  /** Somebody needs the client. It is made when the first one does, never while rendering, and so never on a server. */
  retain(): void {
    this.#users++;
    clearTimeout(this.#lingering);
    this.#connected();
  }

  /** When nobody has needed it for a second, a client that was made here is closed. React's strict mode leaves and is back at once. */
  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    this.#lingering = setTimeout(() => this.#end(), LINGER_MS);
  }

  #connected(): Client {
    if (this.#client !== undefined) return this.#client;
    const origin = this.#origin;
    const client = "client" in origin ? origin.client : connect(origin.url, this.options);
    this.#client = client;
    this.#offs = [
      client.on("status", () => this.#frames.request()),
      client.on("refetch", (refetch) => this.#refetch(refetch)),
    ];
    this.#frames.request();
    return client;
  }

  #end(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#frames.cancel();
    for (const off of this.#offs) off();
    this.#client = undefined;
    if (!("client" in this.#origin)) client.close();
    this.#shown = this.#before;
  }

  // ——— what components see ———

  #flush(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const feed of changed) {
      try {
        feed.flush();
      } catch (error) {
        complain(error);
      }
    }
    this.#showConnection();
  }

  #showConnection(): void {
    const status = this.#client?.status;
    if (status === undefined || same(this.#shown, status)) return;
    this.#shown = { ...status, ...this.#actions };
    for (const listener of [...this.#connectionListeners]) listener();
  }

  readonly getConnection = (): Connection => this.#shown;
  readonly getFirstConnection = (): Connection => this.#before;

  readonly onConnection = (listener: () => void): (() => void) => {
    const entry = () => listener();
    this.#connectionListeners.add(entry);
    return () => void this.#connectionListeners.delete(entry);
  };

  onRefetch(listener: (refetch: Refetch) => void): () => void {
    const entry = (refetch: Refetch) => listener(refetch);
    this.#refetchListeners.add(entry);
    return () => void this.#refetchListeners.delete(entry);
  }

  #refetch(refetch: Refetch): void {
    for (const listener of [...this.#refetchListeners]) {
      try {
        listener(refetch);
      } catch (error) {
        complain(error);
      }
    }
  }
}

function same(shown: Status, status: Status): boolean {
  return (Object.keys(status) as (keyof Status)[]).every((key) => shown[key] === status[key]);
}
