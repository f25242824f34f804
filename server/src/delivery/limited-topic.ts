/**
 * A channel or pattern for subscribers that want a limited number of messages a second of each channel. All
 * subscribers with the same rate share the decision which messages they get: a message that is left out costs
 * nothing per subscriber.
 */

import type { Message } from "./message.ts";
import type { LimitedDelivery, Subscriber, Topic } from "./topic.ts";

/** What a LimitedTopic uses from outside. */
export interface LimitSurroundings {
  /** Milliseconds of a clock that is never set. */
  now(): number;
  /** Calls a function after this many milliseconds. Returns a function that cancels the call. */
  after(ms: number, callback: () => void): () => void;
  /** A message was delivered later than it came. */
  deliveredLate(message: Message): void;
  /** A message was left out for this many subscribers, because a newer one of its channel came. */
  leftOut(message: Message, subscribers: number): void;
}

/** A channel whose last message was delivered less than an interval ago. */
interface Busy {
  /** Time of that delivery. */
  at: number;
  /** The newest message since then. */
  newest: Message | undefined;
}

export class LimitedTopic implements Topic {
  readonly name: string;
  readonly intervalMs: number;
  readonly subscribers = new Set<Subscriber>();
  readonly #surroundings: LimitSurroundings;
  /** In the order of their last deliveries, which is the order in which they may deliver again. */
  readonly #busy = new Map<string, Busy>();
  #cancel: (() => void) | undefined;

  constructor(name: string, intervalMs: number, surroundings: LimitSurroundings) {
    this.name = name;
    this.intervalMs = intervalMs;
    this.#surroundings = surroundings;
  }

  /** Takes a message of the topic: delivers it now, or keeps it until its channel may deliver again. */
  publish(message: Message): number {
    const now = this.#surroundings.now();
    const busy = this.#busy.get(message.channel);
    if (busy?.newest !== undefined) this.#surroundings.leftOut(busy.newest, this.subscribers.size);
    if (busy !== undefined && now < busy.at + this.intervalMs) {
      busy.newest = message;
      return 0;
    }
    return this.#deliver(message, now, "live");
  }

  /** Passes the loss of a message on to the subscribers. The messages that wait stay. */
  shed(message: Message): void {
    for (const subscriber of this.subscribers) subscriber.limited(message, this, "shed");
  }

  /** The messages that wait until their channels may deliver again. */
  *waiting(): Generator<Message> {
    for (const { newest } of this.#busy.values()) if (newest !== undefined) yield newest;
  }

  /** Forgets all messages. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#busy.clear();
  }

  #deliver(message: Message, now: number, how: LimitedDelivery): number {
    this.#busy.delete(message.channel);
    this.#busy.set(message.channel, { at: now, newest: undefined });
    this.#wait(now);
    let deliveries = 0;
    for (const subscriber of this.subscribers) if (subscriber.limited(message, this, how)) deliveries++;
    return deliveries;
  }

  #wait(now: number): void {
    if (this.#cancel !== undefined) return;
    const first = this.#busy.values().next().value;
    if (first === undefined) return;
    this.#cancel = this.#surroundings.after(Math.max(1, first.at + this.intervalMs - now), () => {
      this.#cancel = undefined;
      this.#deliverWaiting();
    });
  }

  #deliverWaiting(): void {
    const now = this.#surroundings.now();
    for (const [channel, { at, newest }] of this.#busy) {
      if (now < at + this.intervalMs) break;
      this.#busy.delete(channel);
      if (newest === undefined) continue;
      this.#deliver(newest, now, "late");
      this.#surroundings.deliveredLate(newest);
    }
    this.#wait(now);
  }
}
