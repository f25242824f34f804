/** The clock, and one timer of each name: setting it again replaces it. */

import type { Environment } from "./types.ts";

const LONGEST = 2e9; // 23 days; browsers and Node take up to 2 ** 31 - 1 ms

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

  /** After more than 23 days never: nothing here lasts so long, and a longer time would make setTimeout call back at once. */
  set(name: Name, ms: number, callback: () => void): void {
    this.stop(name);
    if (ms <= LONGEST) this.#running.set(name, this.#environment.setTimeout(callback, ms));
  }

  stop(name: Name): void {
    this.#environment.clearTimeout(this.#running.get(name));
  }

  /** Stops them all. */
  clear(): void {
    for (const name of this.#running.keys()) this.stop(name);
  }
}
