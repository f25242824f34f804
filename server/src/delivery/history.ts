/**
 * The last messages of the stream, shared by all connections. A client that resumes gets missed messages from
 * here.
 */

import { isPattern, type Since } from "@odin-ws/protocol";
import { Deque } from "./deque.ts";
import type { Message } from "./message.ts";

export interface HistoryLimits {
  /** Time since the message came to this process. */
  maxAgeMs: number;
  maxMessages: number;
  maxBytes: number;
}

/** The client's previous gateway may be ahead of this one by at most this many messages. */
const MAX_AHEAD = 10_000;

export class History {
  readonly #limits: HistoryLimits;
  #messages = new Deque<Message>();
  /**
   * Times at which the same messages came, on this process's clock. Their own times are of the clock of NATS,
   * which may differ by more than the history lasts.
   */
  #arrivals = new Deque<number>();
  /** The same messages by channel: a resume looks only at messages of its own channels. */
  #byChannel = new Map<string, Deque<Message>>();
  #bytes = 0;
  #epoch = "";
  #floor = 0;
  #head = 0;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  get epoch(): string {
    return this.#epoch;
  }
  /** Offset of the last message that was read. */
  get head(): number {
    return this.#head;
  }
  /** The history is complete above this offset. */
  get floor(): number {
    return this.#floor;
  }
  get length(): number {
    return this.#messages.length;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** A stream begins after `offset`. */
  begin(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#floor = offset;
    this.#head = offset;
    this.#messages = new Deque();
    this.#arrivals = new Deque();
    this.#byChannel = new Map();
    this.#bytes = 0;
  }

  /**
   * Adds a message that comes now. `now`: milliseconds of a clock that is never set, the same one in all
   * calls.
   */
  append(message: Message, now: number): void {
    this.#head = message.offset;
    this.#bytes += message.bytes;
    this.#messages.push(message);
    this.#arrivals.push(now);
    let channel = this.#byChannel.get(message.channel);
    if (channel === undefined) {
      channel = new Deque();
      this.#byChannel.set(message.channel, channel);
    }
    channel.push(message);
    this.trim(now);
  }

  /** Passes an offset whose message is not delivered to anyone. */
  skip(offset: number): void {
    this.#head = offset;
  }

  /** Messages up to `offset` are lost: the history starts again behind this offset. */
  lose(offset: number): void {
    this.begin(this.#epoch, offset);
  }

  /** Removes the oldest messages that exceed the limits. */
  trim(now: number): void {
    const { maxAgeMs, maxMessages, maxBytes } = this.#limits;
    for (;;) {
      const oldest = this.#messages.at(0);
      if (oldest === undefined) return;
      const age = now - (this.#arrivals.at(0) as number);
      const within = this.length <= maxMessages && this.#bytes <= maxBytes && age <= maxAgeMs;
      if (within) return;
      this.#messages.shift();
      this.#arrivals.shift();
      this.#bytes -= oldest.bytes;
      this.#floor = oldest.offset;
      const channel = this.#byChannel.get(oldest.channel);
      channel?.shift();
      if (channel?.length === 0) this.#byChannel.delete(oldest.channel);
    }
  }

  /** True when the history has every message of the stream after this position. */
  has(since: Since): boolean {
    const { epoch, offset } = since;
    if (epoch !== this.#epoch || offset < this.#floor || offset > this.#head + MAX_AHEAD) return false;
    return !this.#contradicts(since);
  }

  /** Returns up to `count` messages after an offset, in order. */
  after(offset: number, count: number): Message[] {
    return this.#messages.slice(indexAfter(this.#messages, offset), count);
  }

  /**
   * Returns the messages of these channels after an offset, in order; undefined when there are more than
   * `max`, or when one of the channels is a pattern. Costs time only for the messages that are returned.
   */
  ofChannels(channels: readonly string[], offset: number, max: number): Message[] | undefined {
    if (channels.some(isPattern)) return undefined;
    const found: Message[] = [];
    for (const channel of channels) {
      const messages = this.#byChannel.get(channel);
      if (messages === undefined) continue;
      const index = indexAfter(messages, offset);
      if (found.length + messages.length - index > max) return undefined;
      found.push(...messages.slice(index, max));
    }
    return found.sort((a, b) => a.offset - b.offset);
  }

  /** Returns the channel's newest message up to an offset; undefined when the history has none. */
  newestUpTo(channel: string, offset: number): Message | undefined {
    const messages = this.#byChannel.get(channel);
    return messages?.at(indexAfter(messages, offset) - 1);
  }

  /** True when another message is at this offset than the one that the client received. */
  #contradicts({ offset, ts }: Since): boolean {
    if (ts === undefined) return false;
    const first = this.#messages.at(indexAfter(this.#messages, offset - 1));
    return first?.offset === offset && first.ts !== ts;
  }

  /** Returns all messages, oldest first. */
  all(): Message[] {
    return this.#messages.slice(0, this.length);
  }
}

/** Returns the index of the first message above an offset, found by binary search. */
function indexAfter(messages: Deque<Message>, offset: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((messages.at(middle) as Message).offset > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
