import type { PublisherStatus } from "./options.ts";

const REMIND_EVERY = 10_000; // 10 s until the same trouble is told again

/** Tells what happens, without telling at each attempt what fails again. */
export class StatusTeller {
  readonly #onStatus: (status: PublisherStatus) => void;
  #toldAt = 0;
  /** What was told last. */
  last = "";

  constructor(onStatus: (status: PublisherStatus) => void) {
    this.#onStatus = onStatus;
  }

  tell(kind: PublisherStatus["kind"], message: string): void {
    const now = performance.now();
    const isNews = kind === "connected" || kind === "stream_created";
    if (!isNews && message === this.last && now - this.#toldAt < REMIND_EVERY) return;
    this.last = message;
    this.#toldAt = now;
    // In a turn of its own: what a listener throws must not leave the publisher half way.
    queueMicrotask(() => this.#onStatus({ kind, message }));
  }
}
