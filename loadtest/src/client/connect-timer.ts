import { wallMicros } from "../traffic/clock.ts";
import type { WorkerStats } from "./worker-stats.ts";

/** Measures how long a client waits to be subscribed, from when the connection was due or broke. */
export class ConnectTimer {
  readonly #stats: WorkerStats;
  /** Microseconds since 1970; undefined while the client does not wait. */
  #startedAt: number | undefined;

  constructor(stats: WorkerStats) {
    this.#stats = stats;
  }

  start(at = wallMicros()): void {
    this.#startedAt = at;
  }

  /** Records the time since `start`. Does nothing when the timer is not running. */
  stop(kind: "connect" | "resume"): void {
    if (this.#startedAt !== undefined) this.#stats.time(kind, wallMicros() - this.#startedAt);
    this.#startedAt = undefined;
  }

  cancel(): void {
    this.#startedAt = undefined;
  }
}
