/** Decides how long a client waits before the next attempt to connect. */

const MAX_WINDOW_MS = 30_000; // 30 s
/** A gateway cannot make a client wait for longer. A timer above 2 ** 31 - 1 ms would fire at once. */
const LONGEST_MS = 300_000; // 5 min

export class ReconnectDelay {
  #window = { min_ms: 500, max_ms: 5000 };
  #failures = 0;

  /** Sets the delay that the gateway asked for. */
  setWindow(window: { min_ms: number; max_ms: number }): void {
    this.#window = window;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * Delay after a refusal, ms. The delay grows with each refusal.
   *
   * @param retryAfterMs least delay, as the refusal asked for
   */
  afterRefusal(retryAfterMs = 0): number {
    const window = Math.min(MAX_WINDOW_MS, this.#window.max_ms * 2 ** Math.min(this.#failures++, 10));
    return Math.min(LONGEST_MS, Math.max(retryAfterMs, Math.random() * window));
  }

  /** Delay after an established connection broke, ms. */
  afterBreak(): number {
    const { min_ms, max_ms } = this.#window;
    return Math.min(LONGEST_MS, min_ms + Math.random() * (max_ms - min_ms));
  }
}
