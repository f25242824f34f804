/**
 * Keeps the wait of new clients short when a process gets more of them than it can connect. Such a process
 * would otherwise serve its clients in the order of their arrival, each one when it has already given up, and
 * all of the work would be lost.
 *
 * The wait is estimated from the queue in the kernel and from the rate at which the process accepts. Above
 * the limit, the queue is limited to the clients that can be accepted in time, and as many of the accepted
 * clients are refused as wait too long. A refusal costs a quarter of a handshake and lets the client come
 * back later. As soon as the wait is short enough, nobody is refused. Uses no socket and no clock.
 */

/** Time between two estimates, ms. */
export const ESTIMATE_MS = 250;
/** Estimates that one rate covers: a second, because a short pause must not look like a low rate. */
const WINDOW = 4;
/** A longer time between two estimates means that the process was stopped, ms. */
const LONGEST_MS = 1000;
/** The others are always served, however many come. */
const MAX_SHARE = 0.5;
/**
 * Longest queue of a process. A longer one would let clients wait too long before the first estimate: a
 * process that is short of CPU accepts only some 300 a second.
 */
export const LONGEST_QUEUE = 2048;
const SHORTEST_QUEUE = 32;

export interface HandshakeLimitOptions {
  /** Longest wait of a client until its handshake begins, ms; 0: no limit. */
  maxWaitMs: number;
  /** Connections that wait to be accepted; undefined: not known, so nobody is refused. */
  queueLength: () => number | undefined;
  /** Limits the queue. The kernel ignores further clients, whose kernels try again after 1 s. */
  limitQueue: (length: number) => void;
  /** 0 to 1. */
  random?: () => number;
}

export class HandshakeLimit {
  readonly #maxWaitMs: number;
  readonly #queueLength: () => number | undefined;
  readonly #limitQueue: (length: number) => void;
  readonly #random: () => number;
  /** Connections that were accepted since the last estimate. */
  #accepted = 0;
  /** Clients waited at the last estimate. */
  #queued = false;
  /** Of the last estimates between which clients waited. */
  readonly #window: { accepted: number; ms: number }[] = [];
  /** Share of the new clients that is refused, 0 to MAX_SHARE. */
  #share = 0;
  #longestQueue = LONGEST_QUEUE;

  constructor({ maxWaitMs, queueLength, limitQueue, random = Math.random }: HandshakeLimitOptions) {
    this.#maxWaitMs = maxWaitMs;
    this.#queueLength = queueLength;
    this.#limitQueue = limitQueue;
    this.#random = random;
  }

  /** The process has accepted a connection. */
  accepted(): void {
    this.#accepted++;
  }

  /** Estimates the wait again. Must be called every ESTIMATE_MS. */
  estimate(elapsedMs: number): void {
    if (this.#maxWaitMs === 0) return;
    const accepted = this.#accepted;
    this.#accepted = 0;
    const queue = this.#queued || accepted > 0 ? (this.#queueLength() ?? 0) : 0;
    // Only time in which clients waited shows how fast the process is.
    if (this.#queued && queue > 0) this.#window.push({ accepted, ms: Math.min(LONGEST_MS, elapsedMs) });
    else this.#window.length = 0;
    this.#queued = queue > 0;
    if (queue === 0) return this.#end();
    if (this.#window.length < WINDOW) return;
    if (this.#window.length > WINDOW) this.#window.shift();
    this.#judge(queue);
  }

  #judge(queue: number): void {
    let accepted = 0;
    let ms = 0;
    for (const part of this.#window) {
      accepted += part.accepted;
      ms += part.ms;
    }
    const waitMs = (queue * ms) / Math.max(1, accepted);
    this.#share = Math.min(MAX_SHARE, Math.max(0, 1 - this.#maxWaitMs / waitMs));
    if (this.#share > 0) this.#setLongest((accepted / ms) * this.#maxWaitMs);
    else if (waitMs < this.#maxWaitMs / 2) this.#end();
  }

  /**
   * Nobody waits too long. The queue grows step by step: a long queue that is full at once would take a slow
   * process a minute.
   */
  #end(): void {
    this.#share = 0;
    this.#setLongest(this.#longestQueue * 2);
  }

  #setLongest(length: number): void {
    const longest = Math.round(Math.min(LONGEST_QUEUE, Math.max(SHORTEST_QUEUE, length)));
    if (longest === this.#longestQueue) return;
    this.#longestQueue = longest;
    this.#limitQueue(longest);
  }

  /** Whether this client must be refused. */
  refuses(): boolean {
    return this.#share > 0 && this.#random() < this.#share;
  }
}
