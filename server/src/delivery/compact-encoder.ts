/**
 * Encodes messages for the clients that speak the compact encoding: each form of a message once for all
 * clients, and only when a client needs that form.
 */

import { PREVIOUS_REACH } from "@odin-ws/protocol";
import { type CompactFrame, type CompactText, encodeCompact } from "./compact-frame.ts";
import { Dictionaries } from "./dictionary.ts";
import type { Message } from "./message.ts";

export class CompactEncoder {
  readonly dictionaries = new Dictionaries();
  /** Events whose messages may use the previous message of their channel. */
  readonly #events: ReadonlySet<string>;
  /** The last message of each channel of these events, the most recent channel last. */
  readonly #last = new Map<string, CompactText>();
  /** The message that is being delivered, the previous one of its channel, and the frame that uses both. */
  #live: Message | undefined;
  #previous: CompactText | undefined;
  #frame: CompactFrame | undefined;

  constructor(events: readonly string[]) {
    this.#events = new Set(events);
  }

  /** Another stream begins. */
  begin(): void {
    this.#last.clear();
    this.#live = this.#previous = this.#frame = undefined;
  }

  /** Takes note of a message just before it is delivered to its subscribers. */
  live(message: Message): void {
    this.#live = message;
    this.#previous = this.#frame = undefined;
    if (!this.#events.has(message.event)) return;
    const { channel, offset } = message;
    const previous = this.#last.get(channel);
    if (previous !== undefined && offset - previous.offset <= PREVIOUS_REACH) this.#previous = previous;
    this.#last.delete(channel);
    this.#last.set(channel, message.compactText);
    for (const [oldest, { offset: at }] of this.#last) {
      if (offset - at <= PREVIOUS_REACH) break;
      this.#last.delete(oldest);
    }
  }

  /**
   * Returns the frame for one client.
   *
   * @param completeFrom the client has been sent all messages of its channels above this offset, in order, on
   *   this connection; Infinity: nothing is known about the client
   */
  frame(message: Message, completeFrom: number): CompactFrame {
    if (message === this.#live && this.#previous !== undefined && this.#previous.offset > completeFrom) {
      this.#frame ??= encodeCompact(message.shared, message.compactText, this.#previous, true);
      return this.#frame;
    }
    const { version } = this.dictionaries;
    const cached = message.compact;
    if (cached?.version === version) return cached.frame;
    const dictionary = this.dictionaries.of(message.event);
    if (cached !== undefined && cached.frame.dictionary === dictionary) {
      cached.version = version;
      return cached.frame;
    }
    const kept = this.#events.has(message.event);
    const frame = encodeCompact(message.shared, message.compactText, dictionary, kept);
    message.compact = { frame, version };
    return frame;
  }
}
