/** The stream on NATS, and what happens to it. */

import type { StreamInfo } from "@nats-io/jetstream";
import type { StoredMessage } from "../../server/src/source/read-messages.ts";
import { epochMetadata, epochOf } from "../../server/src/source/stream-epoch.ts";

export interface SimMessage extends StoredMessage {
  subject: string;
  body: Buffer;
}

const NS_PER_MS = 1e6;

export class SimStream {
  /** Called with each new message. */
  onStored: (message: SimMessage) => void = () => {};
  #created = 1;
  #messages: SimMessage[] = [];
  #first = 1;
  #last = 0;
  #metadata: Record<string, string> = {};

  get info(): StreamInfo {
    const { length } = this.#messages;
    const state = { first_seq: this.#first, last_seq: this.#last, messages: length, num_deleted: 0 };
    const config = { name: "ODIN_TOKENS", metadata: this.#metadata };
    return { created: `created ${this.#created}`, config, state } as unknown as StreamInfo;
  }

  /** @param now ms since 1970. Returns the sequence of the message. */
  store(subject: string, body: Buffer, now: number): number {
    // NATS stores no two messages at the same time.
    const storedAt = now * NS_PER_MS + this.#messages.length * 1000;
    const message = { seq: ++this.#last, storedAt, subject, body };
    this.#messages.push(message);
    this.onStored(message);
    return message.seq;
  }

  /** The message at this sequence, or the first one behind it. */
  from(seq: number): SimMessage | undefined {
    return this.#messages.find((message) => message.seq >= seq);
  }

  /** Removes all messages. */
  purge(): void {
    this.#messages = [];
    this.#first = this.#last + 1;
  }

  /** Another stream of the same name takes the place of this one. */
  recreate(): void {
    this.#created++;
    this.#messages = [];
    this.#first = 1;
    this.#last = 0;
    this.#metadata = {};
  }

  /**
   * The server has lost its newest messages, and will give their sequences to other messages. Returns the
   * sequences.
   */
  goBack(count: number): number[] {
    const lost = this.#messages.splice(Math.max(0, this.#messages.length - count));
    this.#last = this.#messages.at(-1)?.seq ?? this.#first - 1;
    return lost.map(({ seq }) => seq);
  }

  /** A gateway writes the epoch of the stream into its metadata. */
  name(epoch: string): void {
    const { info } = this;
    if (epochOf(info) !== epoch) this.#metadata = epochMetadata(epoch, info.created);
  }
}
