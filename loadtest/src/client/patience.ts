/** How long a client waits before it tries again. */

const MAX_WINDOW = 30_000; // 30 s

export class Patience {
  #window = { min_ms: 500, max_ms: 5000 };
  #failures = 0;

  /** The gateway has said when to come back. */
  told(window: { min_ms: number; max_ms: number }): void {
    this.#window = window;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** After a refusal, which may have named a time: longer with each, ms. */
  afterRefusal(retryAfterMs = 0): number {
    const window = Math.min(MAX_WINDOW, this.#window.max_ms * 2 ** Math.min(this.#failures++, 10));
    return Math.max(retryAfterMs, Math.random() * window);
  }

  /** After a connection that stood, ms. */
  afterBreak(): number {
    const { min_ms, max_ms } = this.#window;
    return min_ms + Math.random() * (max_ms - min_ms);
  }
}
