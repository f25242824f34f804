/** Token buckets, which limit rates. */

/** A bucket that holds up to `burst` tokens and gets `rate` new tokens a second. Uses no clock. */
export class TokenBucket {
  readonly rate: number;
  readonly burst: number;
  #tokens: number;
  #at: number;

  /** `now`: milliseconds of any clock, the same one as in later calls. */
  constructor(rate: number, burst: number, now: number) {
    this.rate = rate;
    this.burst = burst;
    this.#tokens = burst;
    this.#at = now;
  }

  /**
   * Takes a token when at least `reserve` tokens are left afterwards: these are for callers with a smaller
   * reserve.
   */
  take(now: number, reserve = 0): boolean {
    this.#tokens = Math.min(this.burst, this.#tokens + (Math.max(0, now - this.#at) * this.rate) / 1000);
    this.#at = now;
    if (this.#tokens < 1 + reserve) return false;
    this.#tokens--;
    return true;
  }

  /** Returns the milliseconds until a token is available. */
  waitMs(now: number): number {
    const tokens = Math.min(this.burst, this.#tokens + (Math.max(0, now - this.#at) * this.rate) / 1000);
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) * 1000) / this.rate);
  }
}

const MIN_BURST = 4;
/**
 * Share of the burst that must be left for more important messages, by priority: low, medium, high, critical.
 */
const RESERVE = [0.5, 0.25, 0, Number.NEGATIVE_INFINITY] as const;

/** Lets `rate` messages a second pass and drops the others, lowest priority first. */
export class PriorityLimiter {
  readonly #bucket: TokenBucket;

  constructor(rate: number, now: number) {
    this.#bucket = new TokenBucket(rate, Math.max(MIN_BURST, rate), now);
  }

  /** `priority` is an index into PRIORITIES. Critical messages always pass. */
  passes(priority: number, now: number): boolean {
    const reserve = RESERVE[priority] ?? 0;
    if (reserve < 0) {
      this.#bucket.take(now);
      return true;
    }
    return this.#bucket.take(now, reserve * this.#bucket.burst);
  }
}
