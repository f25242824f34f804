/** One timer of each name: setting it again replaces it. */

import type { Environment } from "./types.ts";

export class Timers<Name extends string> {
  readonly #environment: Environment;
  readonly #running = new Map<Name, unknown>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  set(name: Name, ms: number, callback: () => void): void {
    this.stop(name);
    const { setTimeout } = this.#environment; // A browser's own wants no `this`.
    const fire = () => {
      this.#running.delete(name);
      callback();
    };
    this.#running.set(name, setTimeout(fire, ms));
  }

  stop(name: Name): void {
    const { clearTimeout } = this.#environment;
    clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  /** Stops them all. */
  clear(): void {
    for (const name of this.#running.keys()) this.stop(name);
  }
}
