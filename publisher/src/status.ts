import type { PublisherStatus } from "./options.ts";

const REPEAT_MS = 10_000; // 10 s

/**
 * Reports changes of state. The same trouble is reported again only after 10 s, and not at each failed
 * attempt.
 */
export class StatusReporter {
  readonly #onStatus: (status: PublisherStatus) => void;
  #reportedAt = 0;
  /** The message of the last report. */
  last = "";

  constructor(onStatus: (status: PublisherStatus) => void) {
    this.#onStatus = onStatus;
  }

  report(kind: PublisherStatus["kind"], message: string): void {
    const now = performance.now();
    const isTrouble = kind !== "connected" && kind !== "stream_created";
    if (isTrouble && message === this.last && now - this.#reportedAt < REPEAT_MS) return;
    this.last = message;
    this.#reportedAt = now;
    this.#call({ kind, message });
  }

  /** Reports something that will be a problem later: it is not why events are not stored now. */
  warn(message: string): void {
    this.#call({ kind: "problem", message });
  }

  // Called in a microtask: an error that a listener throws must not interrupt the publisher in the middle of
  // its work.
  #call(status: PublisherStatus): void {
    queueMicrotask(() => this.#onStatus(status));
  }
}
