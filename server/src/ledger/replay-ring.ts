/** The last messages that took a sequence of this connection. Holds references, never copies. */

import type { Message } from "../delivery/message.ts";

export class ReplayRing {
  readonly #capacity: number;
  /** Grows with each message, so that an idle connection takes no memory for it. */
  #messages: Message[] = [];
  #last = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The sequence of the last message. */
  get last(): number {
    return this.#last;
  }

  /** Takes the next sequence for a message and returns it. */
  push(message: Message): number {
    const seq = ++this.#last;
    if (this.#capacity > 0) this.#messages[(seq - 1) % this.#capacity] = message;
    return seq;
  }

  /** Returns the sequence of a message; undefined when the message left the buffer or has no sequence. */
  seqOf(message: Message): number | undefined {
    const index = this.#messages.indexOf(message);
    if (index === -1) return undefined;
    const lastIndex = (this.#last - 1) % this.#capacity;
    return this.#last - ((lastIndex - index + this.#capacity) % this.#capacity);
  }

  /** Forgets all messages; the sequence continues. */
  clear(): void {
    this.#messages = [];
  }

  /**
   * Returns the message with this sequence; undefined when it left the buffer or there is no such sequence
   * yet.
   */
  get(seq: number): Message | undefined {
    if (seq > this.#last || seq <= this.#last - this.#capacity) return undefined;
    return this.#messages[(seq - 1) % this.#capacity];
  }
}
