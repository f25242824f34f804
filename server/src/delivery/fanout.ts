/**
 * Channels and patterns with their subscribers. Publishing a message costs time only for its own subscribers.
 */

import { steadyClock } from "../clock.ts";
import { LimitedTopic, type LimitSurroundings } from "./limited-topic.ts";
import type { Message } from "./message.ts";
import type { Subscriber, Topic } from "./topic.ts";

const REAL: LimitSurroundings = {
  now: () => steadyClock.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  deliveredLate: () => {},
  leftOut: () => {},
};

interface FullTopic extends Topic {
  /** The same channel or pattern for subscribers that want less, by interval. */
  limited: Map<number, LimitedTopic> | undefined;
}

export class Fanout {
  readonly #topics = new Map<string, FullTopic>();
  readonly #surroundings: LimitSurroundings;
  #subscriptions = 0;

  /** @param surroundings default: the real clock, and nothing is reported */
  constructor(surroundings: Partial<LimitSurroundings> = {}) {
    this.#surroundings = { ...REAL, ...surroundings };
  }

  get subscriptions(): number {
    return this.#subscriptions;
  }

  /**
   * Adds a subscriber to a channel or pattern. The topic is the same object for all its subscribers with the
   * same interval.
   *
   * @param intervalMs time between two messages of a channel; 0: every message is delivered
   */
  subscribe(subscriber: Subscriber, name: string, intervalMs = 0): Topic {
    const topic = this.#topicOf(name, intervalMs);
    if (!topic.subscribers.has(subscriber)) {
      topic.subscribers.add(subscriber);
      this.#subscriptions++;
    }
    return topic;
  }

  #topicOf(name: string, intervalMs: number): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, subscribers: new Set(), intervalMs: 0, limited: undefined };
      this.#topics.set(name, topic);
    }
    if (intervalMs === 0) return topic;
    topic.limited ??= new Map();
    let limited = topic.limited.get(intervalMs);
    if (limited === undefined) {
      limited = new LimitedTopic(name, intervalMs, this.#surroundings);
      topic.limited.set(intervalMs, limited);
    }
    return limited;
  }

  unsubscribe(subscriber: Subscriber, topic: Topic): void {
    if (!topic.subscribers.delete(subscriber)) return;
    this.#subscriptions--;
    if (topic.subscribers.size > 0) return;
    const full = this.#topics.get(topic.name);
    if (topic instanceof LimitedTopic) {
      topic.clear();
      full?.limited?.delete(topic.intervalMs);
    }
    if (full?.subscribers.size === 0 && (full.limited?.size ?? 0) === 0) this.#topics.delete(topic.name);
  }

  /** Another stream begins: what waits belongs to the old one. */
  begin(): void {
    for (const { limited } of this.#topics.values()) {
      for (const topic of limited?.values() ?? []) topic.clear();
    }
  }

  /** The topics that match a message, at most four. */
  #topicsFor(message: Message): FullTopic[] {
    const topics: FullTopic[] = [];
    for (const name of [message.channel, ...message.patterns]) {
      const topic = this.#topics.get(name);
      if (topic !== undefined) topics.push(topic);
    }
    return topics;
  }

  /** Passes a message to all subscribers whose channel or pattern matches. Returns the deliveries. */
  publish(message: Message): number {
    let deliveries = 0;
    for (const { subscribers, limited } of this.#topicsFor(message)) {
      for (const subscriber of subscribers) if (subscriber.deliver(message)) deliveries++;
      if (limited === undefined) continue;
      for (const topic of limited.values()) deliveries += topic.publish(message);
    }
    return deliveries;
  }

  /** Reports a message to its subscribers as dropped, because the gateway sheds load. */
  shed(message: Message): void {
    for (const { subscribers, limited } of this.#topicsFor(message)) {
      for (const subscriber of subscribers) subscriber.shed(message);
      for (const topic of limited?.values() ?? []) topic.shed(message);
    }
  }
}
