/** Heartbeats: whether the gateway is still there, how long an answer takes, and which question an answer belongs to. */

/**
 * Heartbeats are sent at this share of the server's interval: a dead line is given up within 20 s, and the place in the stream is never
 * older than 10 s, while the gateways remember 30.
 */
const SHARE = 0.4;
/** So long a check waits for an answer. */
const PATIENCE = 5_000; // 5 s

export interface Line {
  now(): number;
  /** Sends a heartbeat. */
  beat(): void;
  /** Calls back after so many milliseconds, unless it is called again or the line is lost before. */
  later(ms: number, callback: () => void): void;
  lose(reason: string): void;
}

export class Pulse {
  readonly #line: Line;
  /** Heartbeats without an answer, oldest first. */
  readonly #sent: { at: number; round: number | undefined }[] = [];
  readonly #interval: number;
  #heardAt = 0;

  constructor(line: Line, serverSeconds: number) {
    this.#line = line;
    this.#interval = serverSeconds * 1000 * SHARE;
    this.#turn(this.#interval);
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = this.#line.now();
  }

  /** Sends one heartbeat more; its answer comes with `round`. */
  beat(round?: number): void {
    this.#sent.push({ at: this.#line.now(), round });
    this.#line.beat();
  }

  /** An answer came. */
  answered(): { ms: number; round: number | undefined } | undefined {
    const sent = this.#sent.shift();
    return sent && { ms: this.#line.now() - sent.at, round: sent.round };
  }

  /** After sleep or a change of network nobody knows whether the line still leads anywhere. */
  check(): void {
    this.#turn(PATIENCE);
  }

  #turn(ms: number): void {
    const at = this.#line.now();
    this.beat();
    this.#line.later(ms, () => {
      if (this.#heardAt < at) return this.#line.lose("silent");
      this.#turn(this.#interval);
    });
  }
}
