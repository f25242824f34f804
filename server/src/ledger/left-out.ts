/**
 * Which messages a connection was not sent while it took only the newest message of each channel, so that the
 * client can get them later. Uses no socket and no clock.
 */

import { SentOffsets } from "./sent-offsets.ts";

/** A part of the stream of which only some messages were sent. It begins after the offset `sent.since`. */
interface Span {
  sent: SentOffsets;
  /** Offset of its last message. */
  upTo: number;
}

export class LeftOut {
  /** In ascending order, without overlaps. */
  #spans: Span[] = [];
  /** The last span is not over. */
  #open = false;

  /** True when nothing is remembered. */
  get empty(): boolean {
    return this.#spans.length === 0;
  }

  /**
   * A message waits instead of being sent. Until `close`, the same happens to all messages behind it.
   *
   * @param head offset of the newest message of the stream. A message that waited because of a rate is older:
   * then all messages up to `head` are known to be sent or not.
   */
  add(offset: number, head: number): void {
    const last = this.#spans.at(-1);
    const upTo = Math.max(offset, head);
    if (this.#open && last !== undefined) last.upTo = upTo;
    else this.#spans.push({ sent: new SentOffsets(offset < head ? head : offset - 1), upTo });
    this.#open = true;
  }

  /** Nothing waits any more: the next messages are sent at once. */
  close(): void {
    this.#open = false;
  }

  /** A message is sent after all. `floor`: offsets up to this one have left the history. */
  markSent(offset: number, floor: number): void {
    this.#spanOf(offset)?.sent.add(offset, floor);
  }

  /** A message that was marked as sent is not sent. */
  unmark(offset: number): void {
    this.#spanOf(offset)?.sent.delete(offset);
  }

  /** True when the message with this offset was not sent, provided that its channel is subscribed. */
  has(offset: number): boolean {
    return this.#spanOf(offset)?.sent.has(offset) === false;
  }

  /** Forgets what nobody can ask for any more, because it has left the history. */
  prune(floor: number): void {
    const ended = this.#spans.findIndex(({ upTo }) => upTo > floor);
    const closed = this.#open ? this.#spans.length - 1 : this.#spans.length;
    this.#spans.splice(0, ended === -1 ? closed : Math.min(ended, closed));
  }

  /** Binary search, because a request asks about each message of the history. */
  #spanOf(offset: number): Span | undefined {
    let [low, high] = [0, this.#spans.length - 1];
    // Most calls are about a message that is newer than all spans.
    if (high < 0 || offset > (this.#spans[high] as Span).upTo) return undefined;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle] as Span).upTo < offset) low = middle + 1;
      else high = middle;
    }
    const span = this.#spans[low] as Span;
    return offset > span.sent.since ? span : undefined;
  }
}
