/** Whether the surroundings let the client be connected: the application, the network, and whether somebody looks at the page. */

import { Timers } from "./timers.ts";
import type { Environment, State, Watchable } from "./types.ts";

const HIDDEN = 300_000; // 5 min: after that, browsers run a hidden page's timers once a minute

export class Page {
  readonly #environment: Environment;
  readonly #timers: Timers;
  readonly #changed: () => void;
  readonly #hideAfter: number;
  #left = false;
  /** The application wants it to stay away. */
  paused = false;

  /** `changed`: `away` may be another one, or the network another one. */
  constructor(environment: Environment, hideAfter: number | undefined, changed: () => void) {
    this.#environment = environment;
    this.#timers = new Timers(environment);
    this.#hideAfter = hideAfter ?? HIDDEN;
    this.#changed = changed;
    this.#watch("addEventListener");
    if (environment.document?.hidden) this.#look();
  }

  /** Why not to be connected now: a state and the reason for it. */
  get away(): [State, string] | undefined {
    if (this.paused) return ["paused", "paused"];
    if (this.#left) return ["paused", "hidden"];
    return this.#environment.navigator?.onLine === false ? ["offline", "no network"] : undefined;
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
    this.#timers.clear();
    if (this.#environment.document?.hidden) this.#timers.set("hide", this.#hideAfter, () => this.#turn(true));
    else this.#turn(false);
  };

  #turn(left: boolean): void {
    this.#left = left;
    this.#changed();
  }
}
