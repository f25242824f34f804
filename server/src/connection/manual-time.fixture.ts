/** For tests: turns and writes that happen when the test says so. */

import assert from "node:assert/strict";
import type { WritesOptions } from "../outgoing/writes.ts";
import { Turns } from "./turns.ts";

/** Turns that a test takes one by one. The clock moves with each look at it, which cuts work into steps. */
export class ManualTurns {
  readonly turns: Turns;
  #now = 0;
  #next: (() => void) | undefined;

  /** `stepMs`: time between two looks at the clock. */
  constructor(stepMs: number) {
    this.turns = new Turns(
      () => (this.#now += stepMs),
      (turn) => {
        this.#next = turn;
      },
    );
  }

  /** Takes the next turn. Returns false when nothing is left to do. */
  take(): boolean {
    const next = this.#next;
    this.#next = undefined;
    next?.();
    return next !== undefined;
  }

  /** Takes turns until nothing is left to do but what waits for a client. */
  settle(): void {
    while (this.take());
  }
}

/** Longest pause of server/src/outgoing/writes.ts, ms. */
const MAX_PAUSE_MS = 2;

/** Frames wait until the test ends the turn of the event loop, or the write delay, or the pause. */
export class ManualWrites {
  readonly options: Pick<WritesOptions, "atTurnEnd" | "after" | "delayMs" | "now">;
  /** Pauses that have begun. */
  pauses = 0;
  #now = 0;
  #atTurnEnd: (() => void)[] = [];
  #after: (() => void) | undefined;

  /**
   * @param delayMs the write delay
   * @param writingMs time that the writes of a turn take: from 1/3 ms on, a pause follows
   */
  constructor(delayMs = 0, writingMs = 0) {
    this.options = {
      delayMs,
      atTurnEnd: (flush) => {
        this.#atTurnEnd.push(flush);
      },
      after: (flush, ms) => {
        if (delayMs > 0 || writingMs === 0) assert.equal(ms, delayMs);
        else assert.ok(ms > 0 && ms <= MAX_PAUSE_MS, `a pause of ${ms} ms`);
        assert.equal(this.#after, undefined, "one timer serves all connections");
        if (delayMs === 0) this.pauses++;
        this.#after = flush;
      },
      // Each look at the clock takes this long.
      now: () => (this.#now += writingMs),
    };
  }

  /** Ends the turn. Returns false when nothing waited for the end. */
  endTurn(): boolean {
    const flushes = this.#atTurnEnd.splice(0);
    for (const flush of flushes) flush();
    return flushes.length > 0;
  }

  /** Ends the write delay or the pause. Returns false when nothing waited for the end. */
  endDelay(): boolean {
    const flush = this.#after;
    this.#after = undefined;
    flush?.();
    return flush !== undefined;
  }

  /** Lets time pass, in which a pause may end. */
  pass(ms: number): void {
    this.#now += ms;
  }

  /** Writes everything that waits. Returns false when nothing waited. */
  settle(): boolean {
    let any = false;
    while (this.endTurn() || this.endDelay()) any = true;
    return any;
  }
}
