/** Which messages one connection takes of those that the fan-out brings: its subscriptions, and positions. */

import type { Message } from "../delivery/message.ts";
import type { Subscriber, Topic } from "../delivery/topic.ts";
import { SentOffsets } from "../ledger/sent-offsets.ts";
import type { ConnectionContext } from "./context.ts";
import { Subscriptions } from "./subscriptions.ts";

export class Intake {
  readonly subscriptions = new Subscriptions();
  readonly #context: Pick<ConnectionContext, "fanout" | "history">;
  readonly #subscriber: Subscriber;
  /**
   * Offset of the last message from the fan-out. Overlapping patterns bring the same message more than once.
   */
  #lastOffset = 0;
  /**
   * Offsets up to this one may already have been delivered by the client's previous gateway, which was ahead
   * of this one. Such messages of a resumed channel are skipped.
   */
  #resumedUpTo = 0;
  /** Messages of topics with a rate are delivered above this offset. All earlier ones were handled. */
  #limitedFrom = 0;

  /** @param subscriber the connection, to which the fan-out delivers */
  constructor(context: Pick<ConnectionContext, "fanout" | "history">, subscriber: Subscriber) {
    this.#context = context;
    this.#subscriber = subscriber;
  }

  /** Takes note of a message. Returns false when the client has the message, or gets it in another way. */
  takes(message: Message): boolean {
    if (this.#lastOffset === message.offset) return false;
    if (message.offset <= this.#resumedUpTo && !this.subscriptions.delivered(message)) return false;
    this.#lastOffset = message.offset;
    return true;
  }

  /** Returns whether this topic, which has a rate, is the one that brings the message to the client. */
  takesLimited(message: Message, topic: Topic): boolean {
    return message.offset > this.#limitedFrom && this.subscriptions.brings(topic, message);
  }

  /**
   * Adds channels and patterns in short form. Their messages after the offset `from` will be delivered.
   *
   * @param intervalMs time between two messages of a channel; 0: every message is delivered
   */
  subscribe(channels: readonly string[], from: number, intervalMs: number): void {
    const { fanout, history } = this.#context;
    const topics = channels.map((channel) => fanout.subscribe(this.#subscriber, channel, intervalMs));
    for (const topic of this.subscriptions.add(topics, from)) fanout.unsubscribe(this.#subscriber, topic);
    if (intervalMs > 0) {
      this.subscriptions.sent ??= new SentOffsets(history.head);
      this.#limitedFrom = history.head;
    }
    this.#resumedUpTo = Math.max(this.#resumedUpTo, from);
  }

  /** Removes the channels for which `unwanted` is true. Returns whether there were any. */
  unsubscribe(unwanted: (channel: string) => boolean): boolean {
    const removed = this.subscriptions.remove(unwanted);
    for (const topic of removed) this.#context.fanout.unsubscribe(this.#subscriber, topic);
    return removed.length > 0;
  }

  /** Returns the messages that wait because of a rate, in order. The caller delivers these messages now. */
  takeWaiting(): Message[] {
    const { limited } = this.subscriptions;
    if (limited.length === 0) return [];
    const waiting = limited.flatMap((topic) =>
      [...(topic.waiting?.() ?? [])].filter((message) => this.takesLimited(message, topic)),
    );
    this.#limitedFrom = this.#context.history.head;
    return waiting.sort((a, b) => a.offset - b.offset);
  }

  /** Returns this offset, or a lower one that is below all messages that wait because of a rate. */
  belowWaiting(offset: number): number {
    let below = offset;
    for (const topic of this.subscriptions.limited) {
      for (const message of topic.waiting?.() ?? []) {
        if (message.offset <= below && this.takesLimited(message, topic)) below = message.offset - 1;
      }
    }
    return below;
  }

  /** The client is sent this message, at once or when its turn comes. */
  markSent(offset: number): void {
    this.subscriptions.sent?.add(offset, this.#context.history.floor);
  }

  /** A message that was marked as sent is not sent. */
  unmark(offset: number): void {
    this.subscriptions.sent?.delete(offset);
  }

  /** Another stream has replaced the stream that was read so far. */
  begin(): void {
    this.#lastOffset = 0;
    this.#resumedUpTo = 0;
    this.#limitedFrom = 0;
    this.subscriptions.begin();
  }
}
