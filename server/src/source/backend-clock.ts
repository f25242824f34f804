/** The clock of a backend that is polled, as the header `Date` of its answers shows it: in whole seconds. */

/** Two clocks that differ by no more than this count as the same one. */
const TOLERANCE_MS = 2_000;
const SECOND_MS = 1_000;
/** After this many answers in a row, a clock that shows an earlier time than before was set back. */
const MIN_ANSWERS = 10;

/** The backend's time as it was assumed before a request. */
export interface Guess {
  /** Milliseconds since 1970. */
  now: number;
  /** Steady time of the guess. */
  madeAt: number;
}

export interface Clocks {
  /** This machine's clock, milliseconds since 1970; it may be set. */
  wall: () => number;
  /** Milliseconds of a clock that is never set. */
  steady: () => number;
}

export class BackendClock {
  readonly #clocks: Clocks;
  /** The last `Date`; undefined without this header. */
  #date: number | undefined;
  /** Steady time of the last `Date`. */
  #observedAt = 0;
  /** Highest difference of `Date` and the steady clock so far. */
  #highest = Number.NEGATIVE_INFINITY;
  /** Answers in a row without a new event while the backend's clock was behind. */
  #behind = 0;
  /** True once the backend's clock was set back: then `Date` is known to be the clock of the events. */
  #setBack = false;

  constructor(clocks: Clocks = { wall: Date.now, steady: () => performance.now() }) {
    this.#clocks = clocks;
  }

  /** Takes the header `Date` of an answer that has just come. */
  observe(header: string | null): void {
    const date = Date.parse(header ?? "");
    this.#date = Number.isNaN(date) ? undefined : date;
    this.#observedAt = this.#clocks.steady();
  }

  /**
   * Returns the backend's time now, milliseconds since 1970. Without `Date`, or within 2 s, this machine's
   * time.
   */
  now(): number {
    const { wall, steady } = this.#clocks;
    if (this.#date === undefined) return wall();
    const now = this.#date + SECOND_MS / 2 + steady() - this.#observedAt;
    return Math.abs(now - wall()) <= TOLERANCE_MS ? wall() : Math.round(now);
  }

  /** Returns the latest time that either clock may show. An event with a later time has a wrong time. */
  latest(): number {
    const { wall, steady } = this.#clocks;
    const byDate = this.#date === undefined ? 0 : this.#date + SECOND_MS + steady() - this.#observedAt;
    const now = wall();
    // Within the tolerance, this machine's clock is the more exact one. A `Date` that is behind may be a
    // proxy's.
    const decides = this.#setBack ? Math.abs(byDate - now) > TOLERANCE_MS : byDate - now > TOLERANCE_MS;
    return decides ? Math.round(byDate) : now;
  }

  /** Returns `now` for a request, to be checked with `confirms` after its answer. */
  guess(): Guess {
    return { now: this.now(), madeAt: this.#clocks.steady() };
  }

  /** True when the guess was about right, as far as the answers since then show. */
  confirms({ now, madeAt }: Guess): boolean {
    const elapsed = this.#clocks.steady() - madeAt;
    return Math.abs(this.now() - now - elapsed) <= 2 * TOLERANCE_MS;
  }

  /**
   * True when the backend's clock was set back, so that its events have times before `since` and do not come.
   * A proxy whose clock is always behind, or one of several backends, is not mistaken for that.
   *
   * @param fresh true when the last answer had new events
   */
  wasSetBack(fresh: boolean, since: number): boolean {
    if (this.#date === undefined) return false;
    const difference = this.#date - this.#observedAt;
    this.#highest = Math.max(this.#highest, difference);
    const behind = difference < this.#highest - TOLERANCE_MS && this.#date + SECOND_MS < since;
    this.#behind = behind && !fresh ? this.#behind + 1 : 0;
    if (this.#behind < MIN_ANSWERS) return false;
    this.#behind = 0;
    this.#highest = difference;
    this.#setBack = true;
    return true;
  }
}
