// @ts-check
/** Messages per second, and how old messages are when they arrive. */

const WINDOW = 10_000; // 10 s
const RATE_WINDOW = 3_000; // 3 s
/** More than this in 10 s: the oldest are overwritten, and the window is shorter. */
const SAMPLES = 32_768;

export class Meter {
  /** When each message came, by performance.now(); the age is NaN where it says nothing. */
  #came = new Float64Array(SAMPLES);
  #ages = new Float64Array(SAMPLES);
  #count = 0;

  /** @param {number} [age] ms from publish to here; left out for a message that was sent again */
  add(age = Number.NaN) {
    const slot = this.#count++ % SAMPLES;
    this.#came[slot] = performance.now();
    this.#ages[slot] = age;
  }

  /** @returns {{ perSecond: number, p50: number | undefined, p99: number | undefined }} ages in ms, of the last 10 s */
  read() {
    const now = performance.now();
    const ages = [];
    let recent = 0;
    for (let i = this.#count - 1; i >= 0 && i > this.#count - SAMPLES; i--) {
      const slot = i % SAMPLES;
      const since = now - /** @type {number} */ (this.#came[slot]);
      if (since > WINDOW) break;
      if (since <= RATE_WINDOW) recent++;
      const age = /** @type {number} */ (this.#ages[slot]);
      if (!Number.isNaN(age)) ages.push(age);
    }
    const sorted = Float64Array.from(ages).sort();
    /** @param {number} share */
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    return { perSecond: recent / (RATE_WINDOW / 1_000), p50: at(0.5), p99: at(0.99) };
  }
}
