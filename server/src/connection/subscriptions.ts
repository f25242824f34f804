/** The channels and patterns of one connection, and from which offset on it got each of them. */

import type { Topic } from "../delivery/fanout.ts";
import type { Message } from "../delivery/message.ts";

const NONE: readonly never[] = [];

/** Two plain arrays of exact length: ten thousand connections hold one of these each. */
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

  /** Adds topics whose messages after `offset` come. Of one that is there already, only an earlier offset counts. */
  add(topics: readonly Topic[], offset: number): void {
    const added = topics.filter((topic) => !this.#topics.includes(topic));
    for (const topic of topics) {
      const index = this.#topics.indexOf(topic);
      if (index !== -1) this.#from[index] = Math.min(this.#from[index] as number, offset);
    }
    this.#topics = [...this.#topics, ...added];
    this.#from = [...this.#from, ...added.map(() => offset)];
  }

  /** Takes topics away and returns them. */
  remove(wanted: (name: string) => boolean): Topic[] {
    const removed = this.#topics.filter(({ name }) => wanted(name));
    this.#from = this.#from.filter((_, index) => !wanted((this.#topics[index] as Topic).name));
    this.#topics = this.#topics.filter(({ name }) => !wanted(name));
    return removed;
  }

  /** True when the message came, or will come, to this connection without being asked for again. */
  delivered(message: Message): boolean {
    return this.deliveredFilter()(message);
  }

  /** The same for many messages: four look-ups each, however many channels there are. */
  deliveredFilter(): (message: Message) => boolean {
    const from = new Map(this.#topics.map(({ name }, index) => [name, this.#from[index] as number]));
    const reached = (name: string, offset: number): boolean =>
      offset > (from.get(name) ?? Number.POSITIVE_INFINITY);
    return ({ channel, offset, patterns }) =>
      reached(channel, offset) || patterns.some((pattern) => reached(pattern, offset));
  }

  /** Another stream has begun: what comes now comes from its beginning. */
  begin(): void {
    this.#from = this.#from.map(() => 0);
  }
}
