/** Heartbeats: whether the gateway is still there, how long an answer takes, and which question an answer belongs to. */

import type { Timers } from "./timers.ts";

/**
 * Heartbeats are sent at this share of the server's interval: a dead line is given up within 20 s, and the place in the stream is never
 * older than 10 s, while the gateways remember 30.
 */
const SHARE = 400; // ms of each of its seconds
/** So long a check waits for an answer. */
const PATIENCE = 5_000; // 5 s

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

  /** `send`: sends a heartbeat. `lose`: gives the line up. Begins at once. */
  constructor(serverSeconds: number, timers: Timers, send: () => void, lose: (reason: string) => void) {
    this.#interval = serverSeconds * SHARE;
    this.#timers = timers;
    this.#send = send;
    this.#lose = lose;
    this.#turn(this.#interval);
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = this.#timers.now();
  }

  /** Sends one heartbeat more; its answer comes with `round`. */
  beat(round?: number): void {
    this.#sent.push({ at: this.#timers.now(), round });
    this.#send();
  }

  /** An answer came: to this question. */
  answered(): Beat | undefined {
    return this.#sent.shift();
  }

  /** After sleep or a change of network nobody knows whether the line still leads anywhere. */
  check(): void {
    this.#turn(PATIENCE, this.#sent.length > 0);
  }

  /** `asked`: one answer is awaited already, and many questions in a row are not allowed. */
  #turn(ms: number, asked = false): void {
    const at = this.#timers.now();
    if (!asked) this.beat();
    this.#timers.set("beat", ms, () => {
      if (this.#heardAt < at) this.#lose("silent");
      else this.#turn(this.#interval);
    });
  }
}
