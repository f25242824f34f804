// @ts-check

/** How far back a repetition is recognised; the gateway's own history holds 100,000. */
const GENERATION = 50_000;

/** Remembers the last offsets, 50,000 to 100,000 of them, in two sets: the older one is let go as a whole. */
export class Seen {
  /** @type {Set<number>} */ #young = new Set();
  /** @type {Set<number>} */ #old = new Set();

  /** @param {number} offset @returns {boolean} false when it was known */
  add(offset) {
    if (this.#young.has(offset) || this.#old.has(offset)) return false;
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(offset);
    return true;
  }

  clear() {
    this.#young.clear();
    this.#old.clear();
  }
}
