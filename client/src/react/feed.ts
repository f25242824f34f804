/** A feed: one state that is folded from the messages of some channels, and shared by components. */

import type { Envelope, Listener, SubscribeOptions } from "../types.ts";

/** A message as the client has delivered it. */
export interface Received<Data = unknown> {
  readonly message: Envelope<Data>;
  /**
   * The channel has delivered a newer message before: the gateway had dropped this message while the client
   * was throttled.
   */
  readonly late: boolean;
}

/**
 * How a state follows from the messages of some channels. Define it once, outside of components: all users of
 * the definition share one state.
 */
export interface FeedDefinition<State, Data = unknown> extends SubscribeOptions {
  /** Channels and patterns: `BTC.trade`, `BTC.*`, `*.trade`. */
  readonly channels: readonly string[];
  readonly initial: State;
  /**
   * Returns the next state. `batch` has the messages since the last animation frame, at least one, in the
   * order of arrival. Must not modify `state`: return another object, or the same one when nothing changed.
   */
  fold(state: State, batch: readonly Received<Data>[]): State;
}

/** What a feed needs from its owner. */
export interface Supply {
  /** Subscribes; returns a function that ends the subscription. */
  join(channels: readonly string[], listener: Listener, options: SubscribeOptions): () => void;
  /** This feed has a change for the next animation frame. */
  changed(feed: Feed<unknown>): void;
  /** The feed has its first listener. */
  adopt(feed: Feed<unknown>): void;
  /** The feed has unsubscribed its channels. */
  drop(feed: Feed<unknown>): void;
}

/**
 * A feed without listeners stays subscribed for this long, so that a change of the view does not unsubscribe
 * and subscribe again.
 */
export const LINGER_MS = 1_000;
/** A longer queue is folded at once, because a page in the background may get a frame only once a minute. */
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
  /** The state that a server renders, and that a browser renders until hydration. */
  readonly getInitial = (): State => this.#definition.initial;

  readonly subscribe = (listener: () => void): (() => void) => {
    // A new entry for each call, because the same function may be subscribed twice.
    const entry = () => listener();
    clearTimeout(this.#lingering);
    if (this.#leave === undefined) {
      this.#join(); // Throws for an invalid channel. Then this feed must stay unused.
      this.#supply.adopt(this as Feed<unknown>);
    }
    this.#listeners.add(entry);
    return () => {
      if (!this.#listeners.delete(entry) || this.#listeners.size > 0) return;
      this.#lingering = setTimeout(() => this.stop(), LINGER_MS);
    };
  };

  #join(): void {
    const { channels, maxRate, last } = this.#definition;
    if (channels.length === 0) this.#leave = () => {};
    else
      this.#leave = this.#supply.join(channels, (message, { late }) => this.#take({ message, late }), {
        maxRate,
        last,
      });
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
    // The author of a definition declares the type of its data; it is not known here.
    this.#state = this.#definition.fold(this.#state, batch as Received<never>[]);
  }

  /**
   * Folds the queue and shows the new state. Throws what `fold` throws; the messages of that batch are then
   * lost.
   */
  flush(): void {
    this.#fold();
    if (Object.is(this.#shown, this.#state)) return;
    this.#shown = this.#state;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Unsubscribes the channels and resets the state; the next listener subscribes again. */
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
