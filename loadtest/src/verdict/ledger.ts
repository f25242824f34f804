/** All messages that any client of any worker got, and those that were published: what the audits are made of. */

import type { Entry } from "../control.ts";

interface Line extends Entry {
  /** Undefined until a worker has seen it. */
  seen: boolean;
  addedAt: number;
}

const KEPT_MS = 180_000; // 3 min beyond their audit: a copy that comes later counts as a new message

export class Ledger {
  readonly #lines = new Map<number, Line>();
  #fresh: Line[] = [];
  #audited: Line[] = [];
  #epoch: string | undefined;
  /** What workers do not agree about. */
  readonly conflicts: string[] = [];
  /** Entries so far. */
  count = 0;
  published = 0;
  /** The largest offset that anybody has seen or stored. */
  last = 0;

  #add(entry: Entry, seen: boolean, now: number): void {
    const known = this.#lines.get(entry.offset);
    if (known === undefined) {
      const line = { ...entry, seen, addedAt: now };
      this.#lines.set(entry.offset, line);
      this.#fresh.push(line);
      this.last = Math.max(this.last, entry.offset);
      this.count++;
      return;
    }
    if (known.channel !== entry.channel || (known.seen && seen && known.hash !== entry.hash))
      this.conflicts.push(
        `offset ${entry.offset} is of ${known.channel} and ${entry.channel}, or differs in content`,
      );
    if (seen && !known.seen) Object.assign(known, { seen, hash: entry.hash });
  }

  /** What a worker's clients have seen. An `epoch` that is new begins a new ledger. */
  saw(entries: readonly Entry[], epoch: string | undefined, now: number): void {
    if (epoch !== undefined && this.#epoch !== undefined && epoch !== this.#epoch) {
      this.#lines.clear();
      this.#fresh = [];
      this.#audited = [];
      this.last = 0;
    }
    this.#epoch = epoch ?? this.#epoch;
    for (const entry of entries) this.#add(entry, true, now);
  }

  /** What the stream has stored. */
  stored(offset: number, channel: string, now: number): void {
    this.published++;
    this.#add({ offset, channel, hash: "" }, false, now);
  }

  /**
   * Takes what is to be audited: everything that was added before `until`, up to the largest offset among it.
   *
   * @returns entries that no earlier audit had
   */
  take(until: number, now: number): { entries: Entry[]; cutoff: number } | undefined {
    const old = this.#fresh.filter(({ addedAt }) => addedAt <= until);
    if (old.length === 0) return undefined;
    const cutoff = old.reduce((most, { offset }) => Math.max(most, offset), 0);
    return this.#cut(cutoff, now);
  }

  /** The same with everything up to an offset. */
  takeUpTo(cutoff: number, now: number): { entries: Entry[]; cutoff: number } {
    return this.#cut(cutoff, now);
  }

  #cut(cutoff: number, now: number): { entries: Entry[]; cutoff: number } {
    const due = this.#fresh.filter(({ offset }) => offset <= cutoff);
    this.#fresh = this.#fresh.filter(({ offset }) => offset > cutoff);
    this.#audited.push(...due);
    while ((this.#audited[0]?.addedAt ?? now) < now - KEPT_MS) {
      const line = this.#audited.shift();
      if (line !== undefined) this.#lines.delete(line.offset);
    }
    return { entries: due.map(({ offset, channel, hash }) => ({ offset, channel, hash })), cutoff };
  }
}
