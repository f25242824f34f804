/** Computes how many events are due at a time, without drift. Uses no clock. */

export interface PaceOptions {
  /** Events per second. */
  rate: number;
  trendingSeconds: number;
}

/** Events that are due now. */
export interface Due {
  events: number;
  trending: boolean;
  /** Events that are skipped, because the process was blocked for too long to emit them late. */
  skipped: number;
}

const SECOND_MS = 1_000;
/**
 * After the process was blocked, the events of this time are emitted late. More events would be a flood of
 * old prices.
 */
const MAX_CATCH_UP_MS = 1_000;

export class Pace {
  readonly #trendingEvery: number;
  readonly #start: number;
  #rate: number;
  // When this rate was set, and how many events were due since then.
  #rateStart: number;
  #events = 0;
  #trendings = 0;

  /** Times are milliseconds of any clock that never goes back. */
  constructor({ rate, trendingSeconds }: PaceOptions, now: number) {
    this.#rate = rate;
    this.#trendingEvery = trendingSeconds * SECOND_MS;
    this.#start = now;
    this.#rateStart = now;
  }

  /** Uses this rate from now on. Events that were due and that nobody asked for are skipped. */
  setRate(rate: number, now: number): void {
    this.#rate = rate;
    this.#rateStart = now;
    this.#events = 0;
  }

  /** The trending list is due at once and then at each interval. The first event is due after one step. */
  due(now: number): Due {
    const behind = Math.floor(((now - this.#rateStart) * this.#rate) / SECOND_MS) - this.#events;
    const most = Math.max(1, Math.ceil((MAX_CATCH_UP_MS * this.#rate) / SECOND_MS));
    const events = Math.min(behind, most);
    this.#events += behind;
    const trendings = Math.floor((now - this.#start) / this.#trendingEvery) + 1;
    const trending = trendings > this.#trendings;
    this.#trendings = trendings;
    return { events, trending, skipped: behind - events };
  }

  /** When the next event or trending list is due. */
  get next(): number {
    const event = this.#rateStart + ((this.#events + 1) * SECOND_MS) / this.#rate;
    return Math.min(event, this.#start + this.#trendings * this.#trendingEvery);
  }
}
