/** Decides whether the client may connect now: the application may pause it, the page may be hidden. */

import { Timers } from "./timers.ts";
import type { Environment, Watchable } from "./types.ts";

// 5 min: after this time browsers run the timers of a hidden page only once a minute
const HIDDEN_MS = 300_000;

export class Page {
  readonly #environment: Environment;
  readonly #timers: Timers;
  readonly #changed: () => void;
  readonly #hideAfter: number;
  #left = false;
  /** The application has called `pause()`. */
  paused = false;

  /** `changed`: called when `away` or the network may have changed. */
  constructor(environment: Environment, hideAfter: number | undefined, changed: () => void) {
    this.#environment = environment;
    this.#timers = new Timers(environment);
    this.#hideAfter = hideAfter ?? HIDDEN_MS;
    this.#changed = changed;
    this.#watch("addEventListener");
    if (environment.document?.hidden) this.#look();
  }

  /** The reason if the client must not be connected now; undefined if it may. */
  get away(): string | undefined {
    return this.paused ? "paused" : this.#left ? "hidden" : undefined;
  }

  end(): void {
    this.#timers.clear();
    this.#watch("removeEventListener");
  }

  #watch(method: keyof Watchable): void {
    const { window, document } = this.#environment;
    for (const type of ["online", "offline"]) window?.[method](type, this.#changed);
    document?.[method]("visibilitychange", this.#look);
  }

  readonly #look = (): void => {
    const hidden = this.#environment.document?.hidden === true;
    this.#timers.set("hidden", hidden ? this.#hideAfter : 0, () => {
      this.#left = hidden;
      this.#changed();
    });
  };
}
