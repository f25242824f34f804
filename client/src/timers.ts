/** The clock, and one timer per name: setting a timer again replaces it. */

import type { Environment } from "./types.ts";

/** Browsers and Node take up to 2 ** 31 - 1 ms, and call back at once after a longer time. */
const LONGEST_MS = 2e9; // 23 days

/** `open`: the next attempt, or the deadline of the welcome, or the next heartbeat. */
type Name = "open" | "auth" | "pump" | "hidden";

export class Timers {
  readonly #environment: Environment;
  readonly #running = new Map<Name, unknown>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  now(): number {
    return this.#environment.now();
  }

  /** Infinity: never. A timer above 23 days fires after 23 days. */
  set(name: Name, ms: number, callback: () => void): void {
    this.stop(name);
    if (ms !== Infinity)
      this.#running.set(name, this.#environment.setTimeout(callback, Math.min(ms, LONGEST_MS)));
  }

  stop(name: Name): void {
    this.#environment.clearTimeout(this.#running.get(name));
  }

  /** Stops all timers. */
  clear(): void {
    for (const name of this.#running.keys()) this.stop(name);
  }
}
