/** The last messages that a connection was given, by its own sequence. Holds references, never copies. */

import type { Message } from "../delivery/message.ts";

export class ReplayRing {
  readonly #capacity: number;
  /** Grows with what was sent: an idle connection pays nothing. */
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

  /** The sequence that a message was given; undefined when it left the buffer or has none. */
  seqOf(message: Message): number | undefined {
    const index = this.#messages.indexOf(message);
    if (index === -1) return undefined;
    const lastIndex = (this.#last - 1) % this.#capacity;
    return this.#last - ((lastIndex - index + this.#capacity) % this.#capacity);
  }

  /** Forgets all messages; the sequence goes on. */
  clear(): void {
    this.#messages = [];
  }

  /** The message with this sequence, or undefined when it left the buffer or was never sent. */
  get(seq: number): Message | undefined {
    if (seq > this.#last || seq <= this.#last - this.#capacity) return undefined;
    return this.#messages[(seq - 1) % this.#capacity];
  }
}
