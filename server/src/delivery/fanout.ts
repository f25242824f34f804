/** Who gets which message: channels and patterns, each with its subscribers. A message costs what its subscribers cost. */

import type { Message } from "./message.ts";

/** What the fan-out delivers to. */
export interface Subscriber {
  /**
   * Called once for each subscription that matches: a subscriber with overlapping patterns sees a message more than once. True when
   * it was written to the client.
   */
  deliver(message: Message): boolean;
  /** The same, for a message that is left out because the gateway sheds load. */
  shed(message: Message): void;
}

/** A channel or pattern that somebody subscribed to. */
export interface Topic {
  readonly name: string;
  readonly subscribers: Set<Subscriber>;
}

/** Deliveries after which the clock is read again: one read would hide what a large fan-out costs its last subscribers. */
const BATCH = 64;

export class Fanout {
  readonly #topics = new Map<string, Topic>();
  #subscriptions = 0;

  get subscriptions(): number {
    return this.#subscriptions;
  }

  /** Adds a subscriber to a channel or pattern. The topic is the same object for all its subscribers. */
  subscribe(subscriber: Subscriber, name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = { name, subscribers: new Set() };
      this.#topics.set(name, topic);
    }
    if (!topic.subscribers.has(subscriber)) {
      topic.subscribers.add(subscriber);
      this.#subscriptions++;
    }
    return topic;
  }

  unsubscribe(subscriber: Subscriber, topic: Topic): void {
    if (!topic.subscribers.delete(subscriber)) return;
    this.#subscriptions--;
    if (topic.subscribers.size === 0) this.#topics.delete(topic.name);
  }

  /** The topics that match a message, at most four. */
  topicsOf(message: Message): Topic[] {
    const topics: Topic[] = [];
    for (const name of [message.channel, ...message.patterns]) {
      const topic = this.#topics.get(name);
      if (topic !== undefined) topics.push(topic);
    }
    return topics;
  }

  /**
   * Delivers a message to everybody whose channel or pattern matches.
   *
   * @param batched called after every 64 deliveries and after the last ones, with how many they were
   */
  publish(message: Message, batched: (deliveries: number) => void): void {
    let batch = 0;
    for (const { subscribers } of this.topicsOf(message)) {
      for (const subscriber of subscribers) {
        if (!subscriber.deliver(message) || ++batch < BATCH) continue;
        batched(batch);
        batch = 0;
      }
    }
    if (batch > 0) batched(batch);
  }
}
