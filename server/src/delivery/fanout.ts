/**
 * Channels and patterns with their subscribers. Publishing a message costs time only for its own subscribers.
 */

import type { Message } from "./message.ts";

/** Receives messages from the fan-out. */
export interface Subscriber {
  /**
   * Takes a message. Called once for each matching subscription, so a subscriber with overlapping patterns
   * gets the same message more than once. Returns true when the message leaves with the next write.
   */
  deliver(message: Message): boolean;
  /**
   * Takes note of a message that is dropped because the gateway sheds load. Called as often as `deliver`
   * would be.
   */
  shed(message: Message): void;
}

/** A channel or pattern that has subscribers. */
export interface Topic {
  readonly name: string;
  readonly subscribers: Set<Subscriber>;
}

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

  /** Passes a message to all subscribers whose channel or pattern matches. Returns the deliveries. */
  publish(message: Message): number {
    let deliveries = 0;
    for (const { subscribers } of this.topicsOf(message)) {
      for (const subscriber of subscribers) if (subscriber.deliver(message)) deliveries++;
    }
    return deliveries;
  }
}
