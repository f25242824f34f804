/**
 * The newest message of each channel. A client that subscribes with `last` gets these first, so that its page
 * is full before anything new is published.
 */

import { isPattern, patternsOf } from "@odin-ws/protocol";
import type { Message } from "./message.ts";

export interface LastValuesLimits {
  /** Age after which a channel's newest message is forgotten. */
  maxAgeMs: number;
  /** Bytes of all newest messages; beyond this, the oldest ones are forgotten. */
  maxBytes: number;
}

/** A place in a list. The list itself is a Place without an entry, whose neighbours are its two ends. */
class Place {
  readonly entry: Entry | undefined;
  newer: Place = this;
  older: Place = this;

  constructor(entry?: Entry) {
    this.entry = entry;
  }

  get isAlone(): boolean {
    return this.newer === this;
  }

  insertAsNewest(list: Place): void {
    this.remove();
    this.older = list.older;
    this.newer = list;
    this.older.newer = this;
    list.older = this;
  }

  remove(): void {
    this.newer.older = this.older;
    this.older.newer = this.newer;
    this.newer = this;
    this.older = this;
  }
}

interface Entry {
  message: Message;
  /** The same message with the mark of a last value; created when a client first asks for it. */
  marked: Message | undefined;
  /** On the clock of `put`, ms. */
  expiresAt: number;
  /** In the lists of the three patterns that match the channel, `*.*` last. */
  readonly places: readonly Place[];
}

const ALL = "*.*";

export class LastValues {
  readonly #limits: LastValuesLimits;
  readonly #channels = new Map<string, Entry>();
  /**
   * The channels of each pattern in the order in which their messages came. So the newest channels of a
   * pattern are found without a look at the others.
   */
  readonly #patterns = new Map<string, Place>();
  #bytes = 0;

  constructor(limits: LastValuesLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#channels.size;
  }
  /** Bytes of the messages, without their marked forms, which exist once a client has asked. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a message, unless its channel has a newer one.
   *
   * @param now milliseconds of a clock that is never set, the same one in all calls
   * @param ageMs how long ago the message was published
   */
  put(message: Message, now: number, ageMs = 0): void {
    let entry = this.#channels.get(message.channel);
    if (entry === undefined) {
      entry = this.#add(message);
    } else {
      if (entry.message.offset > message.offset) return;
      this.#bytes += message.bytes - entry.message.bytes;
      entry.message = message;
      entry.marked = undefined;
    }
    entry.expiresAt = now + this.#limits.maxAgeMs - Math.max(0, ageMs);
    for (const [index, pattern] of patternsOf(message.channel).entries()) {
      const place = entry.places[index] as Place;
      place.insertAsNewest(this.#listOf(pattern));
    }
    this.trim(now);
  }

  #add(message: Message): Entry {
    const places: Place[] = [];
    const entry: Entry = { message, marked: undefined, expiresAt: 0, places };
    for (let i = 0; i < 3; i++) places.push(new Place(entry));
    this.#channels.set(message.channel, entry);
    this.#bytes += message.bytes;
    return entry;
  }

  #listOf(pattern: string): Place {
    let list = this.#patterns.get(pattern);
    if (list === undefined) {
      list = new Place();
      this.#patterns.set(pattern, list);
    }
    return list;
  }

  /** Returns the newest messages of a channel or pattern, at most `max`, the newest first. */
  newest(name: string, max: number): Message[] {
    if (!isPattern(name)) {
      const entry = this.#channels.get(name);
      return entry === undefined ? [] : [entry.message];
    }
    const found: Message[] = [];
    const list = this.#patterns.get(name);
    for (let place = list?.older; place?.entry !== undefined && found.length < max; place = place.older) {
      found.push(place.entry.message);
    }
    return found;
  }

  /** True when the message is the newest one of its channel. */
  has(message: Message): boolean {
    return this.#channels.get(message.channel)?.message === message;
  }

  /** Returns the same message with the mark of a last value, which all clients share. */
  marked(message: Message): Message {
    const entry = this.#channels.get(message.channel);
    if (entry?.message !== message) return message.asLastValue();
    entry.marked ??= message.asLastValue();
    return entry.marked;
  }

  /** Another stream begins, which is the same as before up to this offset; 0: nothing is the same. */
  begin(sameUpTo: number): void {
    for (const entry of this.#channels.values()) if (entry.message.offset > sameUpTo) this.#remove(entry);
  }

  /** Forgets what is too old, and the oldest messages beyond the limit of bytes. */
  trim(now: number): void {
    for (;;) {
      const oldest = this.#patterns.get(ALL)?.newer.entry;
      if (oldest === undefined) return;
      if (this.#bytes <= this.#limits.maxBytes && oldest.expiresAt > now) return;
      this.#remove(oldest);
    }
  }

  /** Returns all messages, the oldest first. */
  all(): Message[] {
    return this.newest(ALL, Number.POSITIVE_INFINITY).reverse();
  }

  #remove({ message, places }: Entry): void {
    this.#channels.delete(message.channel);
    this.#bytes -= message.bytes;
    for (const [index, pattern] of patternsOf(message.channel).entries()) {
      (places[index] as Place).remove();
      if (this.#patterns.get(pattern)?.isAlone) this.#patterns.delete(pattern);
    }
  }
}
