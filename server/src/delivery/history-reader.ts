/**
 * Reads what channels and patterns carried after a position, in parts: a history of 100,000 messages takes
 * too long to search at once.
 */

import { patternsOf } from "@odin-ws/protocol";
import type { History } from "./history.ts";
import type { Message } from "./message.ts";

/** With fewer messages than this on its channels, an answer is found by channel and in one part. */
const FEW = 2000;

export class HistoryReader {
  /** Messages that were looked at so far. */
  looked = 0;
  readonly #history: History;
  readonly #epoch: string;
  /** Reading ends at this offset: later messages are delivered live. */
  readonly #end: number;
  readonly #names: ReadonlySet<string>;
  /** Whether a channel is wanted; each channel is matched only once. */
  readonly #wanted = new Map<string, boolean>();
  #few: Message[] | undefined;
  #offset: number;

  /**
   * @param offset the history must be complete after this offset
   * @param channels channels and patterns in short form
   */
  constructor(history: History, offset: number, channels: readonly string[]) {
    this.#history = history;
    this.#epoch = history.epoch;
    this.#end = history.head;
    this.#offset = offset;
    this.#names = new Set(channels);
    this.#few = history.ofChannels(channels, offset, FEW);
  }

  get done(): boolean {
    return this.#offset >= this.#end;
  }

  /**
   * Looks at up to `count` further messages (or at all, when they are few) and returns those that are wanted,
   * in order; undefined when messages left the history before they were read.
   */
  next(count: number): Message[] | undefined {
    const { epoch, floor } = this.#history;
    if (epoch !== this.#epoch || floor > this.#offset) return undefined;
    const messages = this.#few ?? this.#history.after(this.#offset, count);
    this.looked += messages.length;
    const last = messages.at(-1);
    const complete = this.#few !== undefined || messages.length < count;
    this.#offset = complete || last === undefined ? this.#end : last.offset;
    if (this.#few !== undefined) return messages;
    return messages.filter(({ channel, offset }) => offset <= this.#end && this.#isWanted(channel));
  }

  #isWanted(channel: string): boolean {
    let wanted = this.#wanted.get(channel);
    if (wanted === undefined) {
      const names = this.#names;
      wanted = names.has(channel) || patternsOf(channel).some((pattern) => names.has(pattern));
      this.#wanted.set(channel, wanted);
    }
    return wanted;
  }
}
