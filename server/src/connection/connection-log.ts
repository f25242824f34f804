/**
 * Log lines about connections: one when a connection is opened, refused, throttled or closed, and the same
 * for clients that poll. Thousands of clients may do the same within one second, so lines above a rate are
 * left out, and a line says how many.
 */

import type { Log } from "../log.ts";
import { TokenBucket } from "../rate.ts";

export type ConnectionEvent = "opened" | "refused" | "throttled" | "closed";

export interface ConnectionLogOptions {
  log: Pick<Log, "info">;
  /** Lines a second of each kind, of this process; 0: no lines. */
  perSecond: number;
  /** Called for each line that is left out. */
  onLeftOut: (event: ConnectionEvent) => void;
  /** Milliseconds of a clock that is never set back. */
  now: () => number;
}

/** Lines that may be written at once, in seconds of the rate: most incidents are shorter. */
const BURST_SECONDS = 10;
/** How often the number of lines that were left out is logged. */
const REPORT_MS = 10_000;

export class ConnectionLog {
  readonly #options: ConnectionLogOptions;
  /** By kind, for example `closed 1008`: a mass of one kind must not hide the few lines of another kind. */
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #leftOut = new Map<string, number>();
  #reportedAt: number;

  constructor(options: ConnectionLogOptions) {
    this.#options = options;
    this.#reportedAt = options.now();
  }

  /**
   * Writes a line, or counts the line as left out.
   *
   * @param detail one of few words that divide the event into kinds: the close code, the reason of a refusal
   */
  write(event: ConnectionEvent, detail: string | number, fields: () => object): void {
    const { log } = this.#options;
    if (this.#takes(kindOf(event, detail))) log.info(fields(), `connection ${event}`);
    else this.leaveOut(event, detail);
  }

  /** Counts a line that is not written. */
  leaveOut(event: ConnectionEvent, detail: string | number): void {
    const kind = kindOf(event, detail);
    this.#leftOut.set(kind, (this.#leftOut.get(kind) ?? 0) + 1);
    this.#options.onLeftOut(event);
  }

  #takes(kind: string): boolean {
    const { perSecond, now } = this.#options;
    let bucket = this.#buckets.get(kind);
    if (bucket === undefined) {
      // A part of a small rate may be less than one line in ten seconds. The bucket must hold a whole one.
      const burst = perSecond === 0 ? 0 : Math.max(1, perSecond * BURST_SECONDS);
      bucket = new TokenBucket(perSecond, burst, now());
      this.#buckets.set(kind, bucket);
    }
    return bucket.take(now());
  }

  /** Logs how many lines were left out since the last report; called every second. */
  report(): void {
    const { log, now } = this.#options;
    if (this.#leftOut.size === 0 || now() - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now();
    log.info({ left_out: Object.fromEntries(this.#leftOut) }, "lines about connections were left out");
    this.#leftOut.clear();
  }
}

const kindOf = (event: ConnectionEvent, detail: string | number): string => `${event} ${detail}`.trimEnd();
