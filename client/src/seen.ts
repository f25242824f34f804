/** Offsets of delivered messages, to recognize duplicates: a refill may bring delivered messages again. */

/**
 * The history of a gateway has at most 100,000 messages in 30 s; one client rarely gets more than this many
 * of them.
 */
const GENERATION = 50_000;

/** Remembers the last 50,000 to 100,000 offsets, in two sets; the older set is dropped as a whole. */
export class Seen {
  readonly #generation: number;
  #young = new Set<number>();
  #old = new Set<number>();
  /** Highest offset that was forgotten. For offsets up to this one `add` may return true again. */
  forgotten = -1;

  constructor(generation: number = GENERATION) {
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
