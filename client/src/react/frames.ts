/** When what has arrived is shown: once an animation frame, however much came. */

/** A hidden page gets no animation frames, and its messages must not pile up. */
const HIDDEN_MS = 250;

/** What browsers have and servers have not; read at each use, so that tests can put their own in its place. */
const surroundings = globalThis as {
  requestAnimationFrame?: (callback: () => void) => number;
  cancelAnimationFrame?: (id: number) => void;
};

/** Calls `flush` in the next animation frame after `request()`, or after 250 ms where none comes. */
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
