/** The listeners of each channel. */

import { type Envelope, parseChannel, patternsOf } from "@odin-ws/protocol";
import { guarded } from "./environment.ts";
import { SELECTIVE } from "./extent.ts";
import type { Listener, SubscribeOptions } from "./types.ts";
import { begins, type Entry, forget, newest } from "./wishes.ts";

const ENDED = Infinity;

export class Registry {
  readonly #entries = new Map<string, Set<Entry>>();

  /** Every channel that has a listener. */
  get channels(): Iterable<string> {
    return this.#entries.keys();
  }

  has(channel: string): boolean {
    return this.#entries.has(channel);
  }

  /**
   * Adds a listener to several channels, and returns a function that removes it. Throws TypeError for an
   * invalid channel.
   */
  add(
    names: readonly string[],
    listener: Listener,
    from: number,
    changed: () => void,
    wish?: SubscribeOptions,
  ): () => void {
    const channels = names.map((name) => {
      const channel = parseChannel(name);
      if (channel === undefined) throw new TypeError(`${name} is not a channel like BTC.trade`);
      return channel;
    });
    const entry: Entry = { listener, from };
    if (SELECTIVE) entry.wish = wish;
    for (const channel of channels) {
      const entries = this.#entries.get(channel) ?? new Set();
      this.#entries.set(channel, entries.add(entry));
    }
    if (SELECTIVE) begins(this, this.#entries, entry, channels);
    changed();
    return () => {
      entry.from = ENDED;
      for (const channel of channels) {
        const entries = this.#entries.get(channel);
        if (entries?.delete(entry) && entries.size === 0) this.#entries.delete(channel);
      }
      changed();
    };
  }

  /** Calls every listener of a message once, even if several of the listener's channels match. */
  deliver(envelope: Envelope, late: boolean): void {
    const { channel, offset } = envelope;
    if (SELECTIVE && !late) newest(this, envelope);
    const found = new Set<Entry>();
    for (const name of [channel, ...patternsOf(channel)]) {
      for (const entry of this.#entries.get(name) ?? []) found.add(entry);
    }
    for (const entry of found) {
      // A listener may end another listener.
      if (offset <= entry.from && !(SELECTIVE && envelope.last && entry.wish?.last)) continue;
      guarded(() => entry.listener(envelope, { late }));
    }
  }

  /** Another stream begins: all listeners get messages above this offset. */
  begin(from: number): void {
    if (SELECTIVE) forget(this);
    for (const entries of this.#entries.values()) for (const entry of entries) entry.from = from;
  }

  /** Ends all listeners. */
  clear(): void {
    this.begin(ENDED); // Ends the delivery that is running, too.
    this.#entries.clear();
  }
}
