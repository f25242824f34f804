/**
 * The channels and patterns of one connection, each with the offset after which its messages are delivered.
 */

import type { Topic } from "../delivery/fanout.ts";
import type { Message } from "../delivery/message.ts";

const NONE: readonly never[] = [];

/** What was sent as last values when a channel or pattern was subscribed with `last`. */
interface LastValuesSent {
  /** Newest offset at that moment. */
  head: number;
  /** Last values above this offset were sent; a pattern may have had too many. */
  completeAbove: number;
}

/**
 * Holds two plain arrays of exact length to save memory, because there is one object for each of 10,000
 * connections.
 */
export class Subscriptions {
  #topics: readonly Topic[] = NONE;
  #from: number[] = NONE as unknown as number[];
  /** By channel or pattern; undefined until a client asks for last values. */
  #last: Map<string, LastValuesSent> | undefined;

  get topics(): readonly Topic[] {
    return this.#topics;
  }
  get size(): number {
    return this.#topics.length;
  }
  get names(): string[] {
    return this.#topics.map(({ name }) => name);
  }

  /** Returns how many of these different names are not subscribed yet. */
  countNew(names: readonly string[]): number {
    const known = new Set(this.#topics.map(({ name }) => name));
    return names.filter((name) => !known.has(name)).length;
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
    for (const { name } of removed) this.#last?.delete(name);
    return removed;
  }

  /** True when a subscription has delivered the message, or will deliver it. */
  delivered({ channel, offset, patterns }: Message): boolean {
    return this.#topics.some(
      ({ name }, index) =>
        offset > (this.#from[index] as number) && (name === channel || patterns.includes(name)),
    );
  }

  /** Like `delivered`, for many messages: matches each channel only once. Later changes do not count. */
  deliveredFilter(): (message: Message) => boolean {
    const from = new Map(this.#topics.map(({ name }, index) => [name, this.#from[index] as number]));
    const ofChannel = new Map<string, number>();
    return ({ channel, offset, patterns }) => {
      let lowest = ofChannel.get(channel);
      if (lowest === undefined) {
        const all = [channel, ...patterns].map((name) => from.get(name) ?? Number.POSITIVE_INFINITY);
        lowest = Math.min(...all);
        ofChannel.set(channel, lowest);
      }
      return offset > lowest;
    };
  }

  /**
   * The last values of these channels above an offset were sent, or had been delivered before. `head`: newest
   * offset at that moment.
   */
  lastValuesSent(names: readonly string[], head: number, completeAbove: number): void {
    this.#last ??= new Map();
    for (const name of names) {
      if (!this.#last.has(name)) this.#last.set(name, { head, completeAbove });
    }
  }

  /**
   * True when a message may have been sent as a last value.
   *
   * @param isNewestUpTo whether the message was the newest one of its channel at this offset
   */
  sentAsLastValue(
    { channel, offset, patterns }: Message,
    isNewestUpTo: (head: number) => boolean = () => true,
  ): boolean {
    if (this.#last === undefined) return false;
    return [channel, ...patterns].some((name) => {
      const sent = this.#last?.get(name);
      return (
        sent !== undefined && offset > sent.completeAbove && offset <= sent.head && isNewestUpTo(sent.head)
      );
    });
  }

  /** Another stream has begun: all its messages are delivered. */
  begin(): void {
    this.#last = undefined;
    this.#from = this.#from.map(() => 0);
  }
}
