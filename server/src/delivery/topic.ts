/** What the fan-out and its subscribers know of each other. */

import type { Message } from "./message.ts";

/**
 * How a message of a limited topic comes: at once, after it waited for its turn, or not at all, because the
 * gateway sheds load.
 */
export type LimitedDelivery = "live" | "late" | "shed";

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
  /** Takes a message of a topic that it subscribed to with a rate; otherwise like `deliver` and `shed`. */
  limited(message: Message, topic: Topic, how: LimitedDelivery): boolean;
}

/** A channel or pattern that has subscribers. */
export interface Topic {
  readonly name: string;
  readonly subscribers: Set<Subscriber>;
  /** Time between two messages of a channel, ms; 0: every message is delivered. */
  readonly intervalMs: number;
  /** Messages that wait until their channels may deliver again. */
  waiting?(): Iterable<Message>;
}
