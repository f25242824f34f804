/** Shows changes at most once per animation frame. */

/** A hidden page gets no animation frames, and its messages must not accumulate. */
const HIDDEN_MS = 250;

/**
 * Functions that browsers have and servers do not. They are read at each use, so that tests can replace them.
 */
const surroundings = globalThis as {
  requestAnimationFrame?: (callback: () => void) => number;
  cancelAnimationFrame?: (id: number) => void;
};

/** Calls `flush` in the next animation frame after `request()`, or after 250 ms without a frame. */
export class Frames {
  readonly #flush: () => void;
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  request(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(this.#run, HIDDEN_MS);
    this.#frame = surroundings.requestAnimationFrame?.(this.#run);
  }

  cancel(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#frame !== undefined) surroundings.cancelAnimationFrame?.(this.#frame);
    this.#frame = undefined;
  }

  readonly #run = (): void => {
    this.cancel();
    this.#flush();
  };
}
