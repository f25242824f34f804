/**
 * Heartbeats. They detect a dead connection, measure the latency, and match each answer with its heartbeat.
 */

import type { Timers } from "./timers.ts";

/**
 * The client sends heartbeats at 40 % of the server's interval. With the default of 25 s the client detects a
 * dead connection within 20 s, and its position in the stream is at most 10 s old; the gateways' history
 * lasts 30 s.
 */
const SHARE = 400; // ms for each second of the server's interval
/** How long `check` waits for an answer. */
const PATIENCE_MS = 5_000; // 5 s

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
  readonly #interval: number;
  #heardAt = 0;

  /** Starts at once. `send`: sends a heartbeat. `lose`: called when the connection is dead. */
  constructor(serverSeconds: number, timers: Timers, send: () => void, lose: (reason: string) => void) {
    this.#interval = serverSeconds * SHARE;
    this.#timers = timers;
    this.#send = send;
    this.#lose = lose;
    this.#turn(this.#interval);
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

  /** Checks the connection soon: after sleep, or after a change of the network, it may be dead. */
  check(): void {
    this.#turn(PATIENCE_MS, this.#sent.length > 0);
  }

  /**
   * `asked`: a heartbeat is already waiting for its answer, so another one would only count against the rate
   * limit.
   */
  #turn(ms: number, asked = false): void {
    const at = this.#timers.now();
    if (!asked) this.beat();
    this.#timers.set("beat", ms, () => {
      if (this.#heardAt < at) this.#lose("silent");
      else this.#turn(this.#interval);
    });
  }
}
