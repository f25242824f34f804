/**
 * Connects one client with the components below one provider: holds their feeds, and the status that they
 * see.
 */

import { connect } from "../connect.ts";
import type { Client, ConnectOptions, Listener, Refetch, Status, SubscribeOptions } from "../types.ts";
import { Feed, type FeedDefinition, LINGER_MS, type Supply } from "./feed.ts";
import { Frames } from "./frames.ts";

/** The status of the connection, and actions to change it. Another object after every change. */
export interface Connection extends Status {
  /** Disconnects until `resume()`, which continues from the same position in the stream. */
  pause(): void;
  /** Ends `pause()`. While `waiting` the client reconnects at once. */
  resume(): void;
}

/** A client that the application has made and will close, or the address for a client that the hub makes. */
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
/**
 * With this many named feeds, the hub removes unused ones: React may discard a rendering that has made a
 * feed.
 */
const SWEEP_AT = 256;

// Reports an error of a fold or listener as an uncaught error, so that the other feeds and listeners still
// run.
const complain = (error: unknown): void => {
  queueMicrotask(() => {
    throw error;
  });
};

export class Hub implements Supply {
  /** Options of the client that the hub makes; read at that moment. */
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

  /** Returns the feed with this name. The same name always has the same definition. */
  named<State, Data>(name: string, define: () => FeedDefinition<State, Data>): Feed<State> {
    const known = this.#named.get(name);
    if (known !== undefined) return known as Feed<State>;
    if (this.#named.size >= SWEEP_AT) this.#sweep();
    const feed = new Feed<State>(define(), this);
    this.#names.set(feed as Feed<unknown>, name);
    this.#named.set(name, feed as Feed<unknown>);
    return feed;
  }

  /** Returns the feed of this definition. */
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

  join(channels: readonly string[], listener: Listener, options: SubscribeOptions): () => void {
    this.retain();
    try {
      const leave = this.#connected().subscribe(channels, listener, options);
      return () => {
        leave();
        this.release();
      };
    } catch (error) {
      this.release();
      throw error;
    }
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

  /**
   * Registers a user of the client. The first user makes the client; this never happens while rendering, and
   * so never on a server.
   */
  retain(): void {
    this.#users++;
    clearTimeout(this.#lingering);
    this.#connected();
  }

  /**
   * Removes a user. The hub closes its own client 1 s after the last user, because React's strict mode
   * removes and adds users at once.
   */
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
