/** What components share of some channels: one state, folded from their messages. */

import type { Envelope, Listener } from "../types.ts";

/** A message as the client delivered it. */
export interface Received<Data = unknown> {
  readonly message: Envelope<Data>;
  /** Older than one that its channel brought before: it was left out while this client was throttled. */
  readonly late: boolean;
}

/** How a state comes of the messages of some channels. Define it once, outside of components: whoever uses it shares its state. */
export interface FeedDefinition<State, Data = unknown> {
  /** Channels and patterns: `BTC.trade`, `BTC.*`, `*.trade`. */
  readonly channels: readonly string[];
  readonly initial: State;
  /**
   * Takes in what has come since the last animation frame, at least one message, in the order of arrival. Must not change `state`: it returns
   * another one, or the same when nothing changed.
   */
  fold(state: State, batch: readonly Received<Data>[]): State;
}

/** Where a feed gets its messages and its turns from. */
export interface Supply {
  /** Returns what ends the subscription. */
  join(channels: readonly string[], listener: Listener): () => void;
  /** This feed has something for the next animation frame. */
  changed(feed: Feed<unknown>): void;
  /** Somebody has begun to listen to this feed. */
  adopt(feed: Feed<unknown>): void;
  /** This feed has left its channels. */
  drop(feed: Feed<unknown>): void;
}

/** A feed that nobody listens to stays this long: moving from one view to another must not leave and join again. */
export const LINGER_MS = 1_000;
/** Folded at once beyond this: a page in the background may get its turn only once a minute. */
const MAX_QUEUE = 5_000;

export class Feed<State> {
  readonly #definition: FeedDefinition<State, never>;
  readonly #supply: Supply;
  readonly #listeners = new Set<() => void>();
  #state: State;
  #shown: State;
  #queue: Received[] = [];
  #leave: (() => void) | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(definition: FeedDefinition<State, never>, supply: Supply) {
    this.#definition = definition;
    this.#supply = supply;
    this.#state = definition.initial;
    this.#shown = definition.initial;
  }

  get used(): boolean {
    return this.#leave !== undefined;
  }

  /** The state as of the last animation frame. */
  readonly get = (): State => this.#shown;
  /** What a server renders, and a browser until it has taken over. */
  readonly getInitial = (): State => this.#definition.initial;

  readonly subscribe = (listener: () => void): (() => void) => {
    // One of its own for each call: the same function may be given twice.
    const entry = () => listener();
    this.#listeners.add(entry);
    clearTimeout(this.#lingering);
    if (this.#leave === undefined) {
      this.#supply.adopt(this as Feed<unknown>);
      this.#join();
    }
    return () => {
      if (!this.#listeners.delete(entry) || this.#listeners.size > 0) return;
      this.#lingering = setTimeout(() => this.stop(), LINGER_MS);
    };
  };

  #join(): void {
    const { channels } = this.#definition;
    if (channels.length === 0) this.#leave = () => {};
    else this.#leave = this.#supply.join(channels, (message, { late }) => this.#take({ message, late }));
  }

  #take(received: Received): void {
    this.#queue.push(received);
    if (this.#queue.length >= MAX_QUEUE) this.#fold();
    this.#supply.changed(this as Feed<unknown>);
  }

  #fold(): void {
    const batch = this.#queue;
    if (batch.length === 0) return;
    this.#queue = [];
    // A definition's Data is what its author says that the publisher sends; here it is not known.
    this.#state = this.#definition.fold(this.#state, batch as Received<never>[]);
  }

  /** Shows what has come meanwhile. What the definition throws is the caller's; the batch that it failed on is gone. */
  flush(): void {
    this.#fold();
    if (Object.is(this.#shown, this.#state)) return;
    this.#shown = this.#state;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Leaves the channels and forgets what they brought; the next listener joins again. */
  stop(): void {
    clearTimeout(this.#lingering);
    this.#leave?.();
    this.#leave = undefined;
    this.#queue = [];
    this.#state = this.#definition.initial;
    this.#shown = this.#state;
    this.#supply.drop(this as Feed<unknown>);
  }
}
