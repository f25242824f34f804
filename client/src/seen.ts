/** Offsets of delivered messages, to recognize duplicates: a refill may bring delivered messages again. */

/** Remembers the last offsets, in two sets; the older set is dropped as a whole. */
export class Seen {
  readonly #generation: number;
  #young = new Set<number>();
  #old = new Set<number>();
  /** Highest offset that was forgotten. For offsets up to this one `add` may return true again. */
  forgotten = -1;

  /** `generation`: at least this many offsets are remembered, at most twice as many. */
  constructor(generation: number) {
    this.#generation = generation;
  }

  /** Adds an offset. Returns false when the offset is already there. */
  add(offset: number): boolean {
    if (this.#young.has(offset) || this.#old.has(offset)) return false;
    if (this.#young.size >= this.#generation) {
      for (const old of this.#old) this.forgotten = Math.max(this.forgotten, old);
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(offset);
    return true;
  }
}
