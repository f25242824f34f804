/** The last messages that a connection was given, by its own sequence. Holds references, never copies. */

import type { Message } from "./message.ts";

export class ReplayRing {
  readonly #capacity: number;
  /** Grows with what was sent: an idle connection pays nothing. */
  #messages: (Message | undefined)[] = [];
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

  /** A message was sent under another sequence: asking for this one again must not bring it twice. */
  forget(message: Message): void {
    const index = this.#messages.indexOf(message);
    if (index !== -1) this.#messages[index] = undefined;
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
