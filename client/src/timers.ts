/** The clock, and one timer per name: setting a timer again replaces it. */

import type { Environment } from "./types.ts";

const LONGEST_MS = 2e9; // 23 days; browsers and Node take up to 2 ** 31 - 1 ms

type Name = "connect" | "welcome" | "beat" | "renew" | "pump" | "hide";

export class Timers {
  readonly #environment: Environment;
  readonly #running = new Map<Name, unknown>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  now(): number {
    return this.#environment.now();
  }

  /** A timer above 23 days never fires, because setTimeout would call back at once after such a long time. */
  set(name: Name, ms: number, callback: () => void): void {
    this.stop(name);
    if (ms <= LONGEST_MS) this.#running.set(name, this.#environment.setTimeout(callback, ms));
  }

  stop(name: Name): void {
    this.#environment.clearTimeout(this.#running.get(name));
  }

  /** Stops all timers. */
  clear(): void {
    for (const name of this.#running.keys()) this.stop(name);
  }
}
