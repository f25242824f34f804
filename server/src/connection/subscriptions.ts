/**
 * The channels and patterns of one connection, each with the offset after which its messages are delivered.
 */

import type { Topic } from "../delivery/fanout.ts";
import type { Message } from "../delivery/message.ts";

const NONE: readonly never[] = [];

/**
 * Holds two plain arrays of exact length to save memory, because there is one object for each of 10,000
 * connections.
 */
export class Subscriptions {
  #topics: readonly Topic[] = NONE;
  #from: number[] = NONE as unknown as number[];

  get topics(): readonly Topic[] {
    return this.#topics;
  }
  get size(): number {
    return this.#topics.length;
  }
  get names(): string[] {
    return this.#topics.map(({ name }) => name);
  }

  has(name: string): boolean {
    return this.#topics.some((topic) => topic.name === name);
  }

  /**
   * Adds topics whose messages after `offset` are delivered. For a topic that was added before, the lower
   * offset counts.
   */
  add(topics: readonly Topic[], offset: number): void {
    const added = topics.filter((topic) => !this.#topics.includes(topic));
    for (const topic of topics) {
      const index = this.#topics.indexOf(topic);
      if (index !== -1) this.#from[index] = Math.min(this.#from[index] as number, offset);
    }
    this.#topics = [...this.#topics, ...added];
    this.#from = [...this.#from, ...added.map(() => offset)];
  }

  /** Removes the topics for which `wanted` is true, and returns them. */
  remove(wanted: (name: string) => boolean): Topic[] {
    const removed = this.#topics.filter(({ name }) => wanted(name));
    this.#from = this.#from.filter((_, index) => !wanted((this.#topics[index] as Topic).name));
    this.#topics = this.#topics.filter(({ name }) => !wanted(name));
    return removed;
  }

  /** True when a subscription has delivered the message, or will deliver it. */
  delivered(message: Message): boolean {
    return this.deliveredFilter()(message);
  }

  /** Like `delivered`, for many messages: each costs four look-ups, whatever the number of channels. */
  deliveredFilter(): (message: Message) => boolean {
    const from = new Map(this.#topics.map(({ name }, index) => [name, this.#from[index] as number]));
    const reached = (name: string, offset: number): boolean =>
      offset > (from.get(name) ?? Number.POSITIVE_INFINITY);
    return ({ channel, offset, patterns }) =>
      reached(channel, offset) || patterns.some((pattern) => reached(pattern, offset));
  }

  /** Another stream has begun: all its messages are delivered. */
  begin(): void {
    this.#from = this.#from.map(() => 0);
  }
}
