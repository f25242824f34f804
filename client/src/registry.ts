/** Who listens to what: counts the listeners of each channel and finds those of a message. */

import { type Envelope, parseChannel, patternsOf } from "@odin-ws/protocol";
import { report } from "./environment.ts";
import type { Listener } from "./types.ts";

const ENDED = Infinity;

interface Entry {
  listener: Listener;
  /** Offset up to which nothing is expected; infinite when the listener was ended. */
  from: number;
}

export class Registry {
  readonly #entries = new Map<string, Set<Entry>>();

  /** Every channel that has a listener. */
  get channels(): Iterable<string> {
    return this.#entries.keys();
  }

  has(channel: string): boolean {
    return this.#entries.has(channel);
  }

  /** Adds one listener of several channels; returns what takes it away again. Throws TypeError for what is no channel. */
  add(names: readonly string[], listener: Listener, from: number, changed: () => void): () => void {
    const channels = names.map((name) => {
      const channel = parseChannel(name);
      if (channel === undefined) throw new TypeError(`${name} is no channel like BTC.trade or BTC.*`);
      return channel;
    });
    const entry: Entry = { listener, from };
    for (const channel of channels) {
      const entries = this.#entries.get(channel) ?? new Set();
      this.#entries.set(channel, entries.add(entry));
    }
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

  /** Calls every listener of a message once, however many of its channels match. */
  deliver(envelope: Envelope, late: boolean): void {
    const { channel, offset } = envelope;
    const found = new Set<Entry>();
    for (const name of [channel, ...patternsOf(channel)]) {
      for (const entry of this.#entries.get(name) ?? []) found.add(entry);
    }
    for (const entry of found) {
      // One that is called may end another.
      if (offset <= entry.from) continue;
      try {
        entry.listener(envelope, { late });
      } catch (error) {
        report(error);
      }
    }
  }

  /** From now on what is above an offset is expected: another stream begins. */
  begin(from: number): void {
    for (const entries of this.#entries.values()) for (const entry of entries) entry.from = from;
  }

  /** Ends them all. */
  clear(): void {
    this.begin(ENDED); // What is being delivered just now must stop too.
    this.#entries.clear();
  }
}
