/**
 * Decides when the connections of a process write. Everything that becomes due to a connection in one turn of
 * the event loop leaves in one write at the end of the turn. With a write delay, messages that are not
 * critical wait that long, so that more of them share a write. Without a delay, messages that follow closely
 * on a large fan-out wait for up to 2 ms: at high rates, writes would otherwise take nearly all CPU.
 */

import type { Message } from "../delivery/message.ts";
import type { Metrics } from "../metrics.ts";
import { WriteBatch } from "./write-batch.ts";

/** Writes what waits for one connection. */
export interface QueuedWriter {
  /** Called when the queue's time has come, even if nothing waits any more. */
  writeQueued(queue: "soon" | "later"): void;
}

/**
 * The clock is read once for this many writes. One read for all would hide the latency of a large fan-out's
 * last ones.
 */
const CLOCK_WRITES = 64;

/**
 * After the writes of a fan-out, messages that are not critical wait this many times as long as these writes
 * took, up to a limit. "One run of all parts" in docs/performance.md has what this saves.
 */
const PAUSE_FACTOR = 3;
/** Longest pause, ms. */
const MAX_PAUSE_MS = 2;
/** Timers are not more exact, and less is not worth a wait, ms. */
const MIN_PAUSE_MS = 1;

export interface WritesOptions {
  metrics: Pick<Metrics, "messageLatency" | "broadcastDuration" | "writes">;
  /** Wait of a message that is not critical, ms; 0: until the end of the turn, or of the pause. */
  delayMs?: number;
  /** Bytes that may wait for one client, here and in its socket. */
  sendBufferBytes: number;
  /** Calls a function at the end of this turn of the event loop. */
  atTurnEnd?: (flush: () => void) => void;
  /** Calls a function after this many ms. */
  after?: (flush: () => void, ms: number) => void;
  /** Steady time, ms. */
  now?: () => number;
}

export class Writes {
  /** Shared by all connections: empty whenever no connection is writing. */
  readonly batch = new WriteBatch();
  readonly delayMs: number;
  readonly sendBufferBytes: number;
  readonly #metrics: WritesOptions["metrics"];
  readonly #atTurnEnd: (flush: () => void) => void;
  readonly #after: (flush: () => void, ms: number) => void;
  readonly #now: () => number;
  /** Write at the end of this turn. */
  #soon: QueuedWriter[] = [];
  /** Write when the delay or the pause is over. */
  #later: QueuedWriter[] = [];
  /** End of the pause after the last writes, on the clock `now`. */
  #pauseUntil = 0;
  readonly #flushSoon = (): void => this.#flush("soon");
  readonly #flushLater = (): void => this.#flush("later");
  /** Messages with deliveries that were written and are not in the latency yet. */
  readonly #written: Message[] = [];
  /** Writes that are not in the metrics yet. */
  #writes = 0;
  /** Messages that were passed to connections since the last flush, and the time this took, seconds. */
  #published = 0;
  #publishSeconds = 0;

  constructor({
    metrics,
    sendBufferBytes,
    delayMs = 0,
    atTurnEnd = (flush) => void setImmediate(flush),
    after = (flush, ms) => void setTimeout(flush, ms),
    now = () => performance.now(),
  }: WritesOptions) {
    this.#metrics = metrics;
    this.sendBufferBytes = sendBufferBytes;
    this.delayMs = delayMs;
    this.#atTurnEnd = atTurnEnd;
    this.#after = after;
    this.#now = now;
  }

  queueSoon(writer: QueuedWriter): void {
    if (this.#soon.push(writer) === 1) this.#atTurnEnd(this.#flushSoon);
  }

  /** Lets a connection write when the delay of the first one in the queue, or the pause, is over. */
  queueLater(writer: QueuedWriter): void {
    if (this.#later.push(writer) !== 1) return;
    const ms = this.delayMs > 0 ? this.delayMs : Math.ceil(this.#pauseUntil - this.#now());
    if (ms > 0) this.#after(this.#flushLater, ms);
    else this.#atTurnEnd(this.#flushLater);
  }

  /** A message was passed to its connections, which took this time. */
  published(seconds: number): void {
    this.#published++;
    this.#publishSeconds += seconds;
  }

  /** One delivery of a live message is part of the next write. */
  delivered(message: Message): void {
    if (message.written++ === 0) this.#written.push(message);
  }

  /** A connection has written to its socket. */
  wrote(): void {
    if (++this.#writes % CLOCK_WRITES === 0) this.#observeLatency();
  }

  #flush(queue: "soon" | "later"): void {
    const due = queue === "soon" ? this.#soon : this.#later;
    if (queue === "soon") this.#soon = [];
    else this.#later = [];
    const started = this.#now();
    for (const writer of due) writer.writeQueued(queue);
    this.#observeLatency();
    const ended = this.#now();
    this.#observeDuration((ended - started) / 1000);
    const pause = Math.min((ended - started) * PAUSE_FACTOR, MAX_PAUSE_MS);
    if (pause >= MIN_PAUSE_MS) this.#pauseUntil = ended + pause;
    if (this.#writes > 0) this.#metrics.writes.inc(this.#writes);
    this.#writes = 0;
  }

  #observeLatency(): void {
    const now = Date.now();
    for (const message of this.#written) {
      this.#metrics.messageLatency.observe(Math.max(0, now - message.ts) / 1000, message.written);
      message.written = 0;
    }
    this.#written.length = 0;
  }

  /** The messages of one turn are written together, so each of them has the duration of all. */
  #observeDuration(flushSeconds: number): void {
    const seconds = this.#publishSeconds + flushSeconds;
    for (; this.#published > 0; this.#published--) this.#metrics.broadcastDuration.observe(seconds);
    this.#publishSeconds = 0;
  }
}
