/**
 * The channels and patterns of one connection, each with the offset after which its messages are delivered.
 */

import { isPattern } from "@odin-ws/protocol";
import type { Message } from "../delivery/message.ts";
import type { Topic } from "../delivery/topic.ts";
import { SentOffsets } from "../ledger/sent-offsets.ts";

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
  /** What was sent; only for a connection that has or had a `max_rate`. */
  sent: SentOffsets | undefined;
  /** The topics by their names, when patterns and rates come together; made when it is needed. */
  #overlaps: Map<string, Topic> | undefined;

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

  /** The topics with a rate. */
  get limited(): Topic[] {
    return this.sent === undefined ? [] : this.#topics.filter(({ intervalMs }) => intervalMs > 0);
  }

  /**
   * Adds topics whose messages after `offset` are delivered. For a channel or pattern that was added before,
   * the lower offset counts. Returns the topics that were replaced by a topic with another rate.
   */
  add(topics: readonly Topic[], offset: number): Topic[] {
    this.#overlaps = undefined;
    const replaced: Topic[] = [];
    const index = new Map(this.#topics.map(({ name }, at) => [name, at]));
    const all = [...this.#topics];
    const from = [...this.#from];
    for (const topic of topics) {
      const at = index.get(topic.name);
      if (at === undefined) {
        all.push(topic);
        from.push(offset);
        continue;
      }
      from[at] = Math.min(from[at] as number, offset);
      if (all[at] !== topic) replaced.push(all[at] as Topic);
      all[at] = topic;
    }
    this.#topics = all;
    this.#from = from;
    return replaced;
  }

  /** True when this topic brings the message: of several that match, the one with the highest rate does. */
  brings(topic: Topic, { channel, patterns }: Message): boolean {
    if (this.#topics.length === 1) return true;
    this.#overlaps ??= new Map(
      this.#topics.some(({ name }) => isPattern(name)) ? this.#topics.map((one) => [one.name, one]) : [],
    );
    let best = topic;
    for (const name of [channel, ...patterns]) {
      const other = this.#overlaps.get(name);
      if (other === undefined) continue;
      // Of two topics with the same rate, the one whose name comes first in the order of names.
      const higher = other.intervalMs < best.intervalMs;
      if (higher || (other.intervalMs === best.intervalMs && other.name < best.name)) best = other;
    }
    return best === topic;
  }

  /** Removes the topics for which `wanted` is true, and returns them. */
  remove(wanted: (name: string) => boolean): Topic[] {
    this.#overlaps = undefined;
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

  /** Like `deliveredFilter`, and false for messages that were left out because of a rate. */
  sentFilter(): (message: Message) => boolean {
    const delivered = this.deliveredFilter();
    const { sent } = this;
    if (sent === undefined) return delivered;
    return (message) => sent.has(message.offset) || (message.offset <= sent.since && delivered(message));
  }

  /** Another stream has begun: all its messages are delivered. */
  begin(): void {
    this.#last = undefined;
    if (this.sent !== undefined) this.sent = new SentOffsets(0);
    this.#from = this.#from.map(() => 0);
  }
}
