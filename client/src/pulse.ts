/**
 * Heartbeats. They detect a dead connection, measure the latency, and match each answer with its heartbeat.
 */

import type { Timers } from "./timers.ts";

/**
 * After silence of this time the client sends a heartbeat, and after the same time without an answer the
 * connection counts as dead: the client detects a dead connection within 10 s of the last message. While
 * messages arrive, there is a heartbeat every 10 s, so the client's position in the stream is recent; the
 * gateways' history lasts 30 s. The gateway's own pings may be rarer or more frequent.
 */
const QUIET_MS = 5_000; // 5 s
const CHECK_INTERVAL_MS = 1_000; // 1 s

interface Beat {
  at: number;
  round: number | undefined;
}

export class Pulse {
  readonly #timers: Timers;
  readonly #send: () => void;
  readonly #lose: (reason: string) => void;
  /** Heartbeats without an answer, oldest first. */
  readonly #sent: Beat[] = [];
  #heardAt = 0;
  #checkedAt = -Infinity;

  /** Starts at once. `send`: sends a heartbeat. `lose`: called when the connection is dead. */
  constructor(timers: Timers, send: () => void, lose: (reason: string) => void) {
    this.#timers = timers;
    this.#send = send;
    this.#lose = lose;
    this.#turn();
  }

  /** A message has arrived. */
  heard(): void {
    this.#heardAt = this.#timers.now();
  }

  /** Sends an additional heartbeat; `answered` returns `round` with its answer. */
  beat(round?: number): void {
    this.#sent.push({ at: this.#timers.now(), round });
    this.#send();
  }

  /** An answer has arrived. Returns the heartbeat that it answers: the oldest one. */
  answered(): Beat | undefined {
    return this.#sent.shift();
  }

  /**
   * Checks the connection soon: after sleep, or after a change of the network, it may be dead. At most one
   * check a second, so that an application that often asks does not exceed the gateway's rate limit.
   */
  check(): void {
    const now = this.#timers.now();
    if (now - this.#checkedAt < CHECK_INTERVAL_MS) return;
    this.#checkedAt = now;
    this.#turn();
  }

  #turn(): void {
    const at = this.#timers.now();
    this.beat();
    this.#timers.set("open", QUIET_MS, () => {
      if (this.#heardAt < at) return this.#lose("silent");
      this.#timers.set("open", Math.max(0, QUIET_MS + this.#heardAt - this.#timers.now()), () =>
        this.#turn(),
      );
    });
  }
}
