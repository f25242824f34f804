/** Offsets of the last messages that were passed on: a gateway that is asked for what may be missing sends some of them again. */

/** A gateway remembers 100,000 messages; more than this many of one client's within its 30 s are rare. */
const GENERATION = 50_000;

/** Two sets, of which the older is let go as a whole: 50,000 to 100,000 offsets. */
export class Seen {
  readonly #generation: number;
  #young = new Set<number>();
  #old = new Set<number>();
  /** Highest offset that has been let go of; what is below may have been passed on or not. */
  forgotten = -1;

  constructor(generation: number = GENERATION) {
    this.#generation = generation;
  }

  /** False when it was there already. */
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
