/** What the client of one connection needs to decode the next message in the compact encoding. */

import type { CompactEncoder } from "../delivery/compact-encoder.ts";
import type { CompactFrame } from "../delivery/compact-frame.ts";
import type { Dictionary } from "../delivery/dictionary.ts";

export class CompactLine {
  readonly #encoder: CompactEncoder;
  /** Dictionaries that were defined on this connection, by number. */
  readonly #known: (Dictionary | undefined)[] = [];
  /**
   * All messages above this offset were written, in order, of all channels of the connection that have no
   * rate. One number for these channels: a client that has just missed something, or asked for a channel,
   * gets the next message of each channel in the form that needs no earlier message.
   */
  #completeFrom: number;

  /** `head`: offset of the last message that the gateway has read. */
  constructor(encoder: CompactEncoder, head: number) {
    this.#encoder = encoder;
    this.#completeFrom = head;
  }

  /** Messages up to this offset may be missing or out of order. */
  incompleteTo(offset: number): void {
    if (offset > this.#completeFrom) this.#completeFrom = offset;
  }

  /** Another stream begins behind this offset. */
  begin(offset: number): void {
    this.#completeFrom = offset;
  }

  /**
   * Returns the frame of a message.
   *
   * @param complete the message comes from the fan-out, which brings all messages of its channel: false for a
   *   channel with a rate, whose messages are always sent in the form that needs no earlier message
   */
  frame(message: Parameters<CompactEncoder["frame"]>[0], complete: boolean): CompactFrame {
    return this.#encoder.frame(message, complete ? this.#completeFrom : Number.POSITIVE_INFINITY);
  }

  /** Returns what must be sent before this frame; undefined when the client has the dictionary. */
  definitionFor({ dictionary }: CompactFrame): Buffer | undefined {
    if (dictionary === undefined || this.#known[dictionary.number] === dictionary) return undefined;
    this.#known[dictionary.number] = dictionary;
    return dictionary.definition;
  }

  /** Returns the frames that define the current dictionaries that the client has kept, by their ids. */
  references(ids: ReadonlySet<string>): Buffer[] {
    const found = [...this.#encoder.dictionaries.all].filter(({ id }) => ids.has(id));
    for (const dictionary of found) this.#known[dictionary.number] = dictionary;
    return found.map(({ reference }) => reference);
  }
}
