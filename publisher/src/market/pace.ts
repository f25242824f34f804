/** Says how many events are due at a time, without drift. Knows no clock. */

export interface PaceOptions {
  /** Events per second. */
  rate: number;
  trendingSeconds: number;
}

/** What is due now. */
export interface Due {
  events: number;
  trending: boolean;
  /** Events that are left out, because the process stood still too long to make up for them. */
  skipped: number;
}

const SECOND = 1_000; // ms
/** After a standstill, at most this much is made up for: more would be a flood of stale prices. */
const MAX_CATCH_UP = 1_000; // ms

export class Pace {
  readonly #trendingEvery: number;
  readonly #start: number;
  #rate: number;
  // Since when this rate holds, and how many events were due since then.
  #rateStart: number;
  #events = 0;
  #trendings = 0;

  /** Times are milliseconds of any clock that only goes forward. */
  constructor({ rate, trendingSeconds }: PaceOptions, now: number) {
    this.#rate = rate;
    this.#trendingEvery = trendingSeconds * SECOND;
    this.#start = now;
    this.#rateStart = now;
  }

  /** From now on this rate holds; what was due before and not asked for is left out. */
  setRate(rate: number, now: number): void {
    this.#rate = rate;
    this.#rateStart = now;
    this.#events = 0;
  }

  /** Trending is due at once, then at each interval; the first event after one step. */
  due(now: number): Due {
    const behind = Math.floor(((now - this.#rateStart) * this.#rate) / SECOND) - this.#events;
    const most = Math.max(1, Math.ceil((MAX_CATCH_UP * this.#rate) / SECOND));
    const events = Math.min(behind, most);
    this.#events += behind;
    const trendings = Math.floor((now - this.#start) / this.#trendingEvery) + 1;
    const trending = trendings > this.#trendings;
    this.#trendings = trendings;
    return { events, trending, skipped: behind - events };
  }

  /** When something is due next. */
  get next(): number {
    const event = this.#rateStart + ((this.#events + 1) * SECOND) / this.#rate;
    return Math.min(event, this.#start + this.#trendings * this.#trendingEvery);
  }
}
