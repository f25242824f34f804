/**
 * All messages that any client received or that the load test published: each message is due to every
 * subscriber of its channel.
 */

import type { StreamMessage } from "../worker-messages.ts";

interface ExpectedMessage extends StreamMessage {
  /** False while only the publisher knows the message. */
  received: boolean;
  addedAtMs: number;
}

/** What an audit compares deliveries with. */
export interface Audit {
  messages: StreamMessage[];
  /** All messages up to this offset were in this audit or an earlier one. */
  cutoff: number;
}

const KEPT_MS = 180_000; // 3 min after the audit: a copy that arrives later counts as a new message

export class ExpectedMessages {
  readonly #messages = new Map<number, ExpectedMessage>();
  #pending: ExpectedMessage[] = [];
  #audited: ExpectedMessage[] = [];
  #epoch: string | undefined;
  /** Texts about messages that differ between workers. */
  readonly conflicts: string[] = [];
  /** Number of messages so far. */
  count = 0;
  published = 0;
  /** The largest offset that was received or stored. */
  lastOffset = 0;

  #add(message: StreamMessage, received: boolean, nowMs: number): void {
    const known = this.#messages.get(message.offset);
    if (known === undefined) {
      const expected = { ...message, received, addedAtMs: nowMs };
      this.#messages.set(message.offset, expected);
      this.#pending.push(expected);
      this.lastOffset = Math.max(this.lastOffset, message.offset);
      this.count++;
      return;
    }
    const { offset, channel, hash } = message;
    if (known.channel !== channel || (known.received && received && known.hash !== hash))
      this.conflicts.push(
        `offset ${offset} has the channels ${known.channel} and ${channel}, or its content differs`,
      );
    if (received && !known.received) Object.assign(known, { received, hash });
  }

  /** Adds what a worker's clients received. Forgets all earlier messages when the `epoch` changes. */
  addReceived(messages: readonly StreamMessage[], epoch: string | undefined, nowMs: number): void {
    if (epoch !== undefined && this.#epoch !== undefined && epoch !== this.#epoch) {
      this.#messages.clear();
      this.#pending = [];
      this.#audited = [];
      this.lastOffset = 0;
    }
    this.#epoch = epoch ?? this.#epoch;
    for (const message of messages) this.#add(message, true, nowMs);
  }

  /** Adds a message of the load test's own publisher that the stream has stored. */
  addStored(offset: number, channel: string, nowMs: number): void {
    this.published++;
    this.#add({ offset, channel, hash: "" }, false, nowMs);
  }

  /**
   * Takes the messages for the next audit: up to the largest offset among those that were added by `untilMs`.
   *
   * @returns messages that were in no earlier audit; undefined without such messages
   */
  takeOlderThan(untilMs: number, nowMs: number): Audit | undefined {
    const old = this.#pending.filter(({ addedAtMs }) => addedAtMs <= untilMs);
    if (old.length === 0) return undefined;
    const cutoff = old.reduce((most, { offset }) => Math.max(most, offset), 0);
    return this.takeUpTo(cutoff, nowMs);
  }

  /** Takes the messages up to an offset that were in no earlier audit. */
  takeUpTo(cutoff: number, nowMs: number): Audit {
    const due = this.#pending.filter(({ offset }) => offset <= cutoff);
    this.#pending = this.#pending.filter(({ offset }) => offset > cutoff);
    this.#audited.push(...due);
    while ((this.#audited[0]?.addedAtMs ?? nowMs) < nowMs - KEPT_MS) {
      const message = this.#audited.shift();
      if (message !== undefined) this.#messages.delete(message.offset);
    }
    return { messages: due.map(({ offset, channel, hash }) => ({ offset, channel, hash })), cutoff };
  }
}
