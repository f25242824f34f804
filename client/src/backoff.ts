/** How long to wait before coming back: a draw from a window that grows with every failure ("full jitter"). */

/** Before a gateway has named a window. */
const FIRST_WINDOW = { min_ms: 500, max_ms: 5_000 };
const LONGEST = 20_000; // 20 s: still within the 30 s that gateways remember

export interface Window {
  readonly min_ms: number;
  readonly max_ms: number;
}

export class Backoff {
  window: Window = FIRST_WINDOW;
  #failures = 0;
  #planned: number | undefined;

  /** A connection has lasted: the next wait is a short one. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** The gateway has said when to come back. */
  plan(ms: number): void {
    this.#planned = ms;
  }

  /** Milliseconds to wait now; `random` is 0 to 1. */
  next(random: number): number {
    const planned = this.#planned;
    this.#planned = undefined;
    if (planned !== undefined) return planned;
    const { min_ms, max_ms } = this.window;
    const end = Math.min(max_ms * 2 ** this.#failures++, Math.max(LONGEST, min_ms));
    return min_ms + random * Math.max(0, end - min_ms);
  }
}
