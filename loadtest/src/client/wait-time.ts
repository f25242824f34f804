import { wallMicros } from "../traffic/clock.ts";
import type { Tally } from "./tally.ts";

/** How long a client waits for its place: from when it should have had it, or lost it. */
export class WaitTime {
  readonly #tally: Tally;
  /** Microseconds since 1970; undefined while it does not wait. */
  #dueAt: number | undefined;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  begin(dueAt = wallMicros()): void {
    this.#dueAt = dueAt;
  }

  /** Counts it, once. */
  end(kind: "connect" | "resume"): void {
    if (this.#dueAt !== undefined) this.#tally.time(kind, wallMicros() - this.#dueAt);
    this.#dueAt = undefined;
  }

  giveUp(): void {
    this.#dueAt = undefined;
  }
}
