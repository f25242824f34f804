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
  /** Attempts since a connection lasted. */
  failures = 0;
  /** When to come back, in milliseconds, as the gateway has said. */
  planned: number | undefined;

  /** Milliseconds to wait now; `random` is 0 to 1. */
  next(random: number): number {
    const { min_ms, max_ms } = this.window;
    const end = Math.max(min_ms, Math.min(LONGEST, max_ms * 2 ** this.failures));
    const wait = this.planned ?? min_ms + random * (end - min_ms);
    if (this.planned === undefined) this.failures++;
    this.planned = undefined;
    return wait;
  }
}
