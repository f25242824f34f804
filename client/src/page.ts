/** Whether the surroundings let the client be connected: the application, the network, and whether somebody looks at the page. */

import type { Environment, State, Watchable } from "./types.ts";

const HIDDEN = 300_000; // 5 min: after that, browsers run a hidden page's timers once a minute
const LONGEST = 2 ** 31 - 1; // what setTimeout takes

export class Page {
  readonly #environment: Environment;
  readonly #changed: () => void;
  readonly #hideAfter: number;
  #timer: unknown;
  #left = false;
  /** The application wants it to stay away. */
  paused = false;

  /** `changed`: `away` may be another one, or the network another one. */
  constructor(environment: Environment, hideAfter: number | undefined, changed: () => void) {
    this.#environment = environment;
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
    this.#stop();
    this.#watch("removeEventListener");
  }

  #watch(method: keyof Watchable): void {
    const { window, document } = this.#environment;
    for (const type of ["online", "offline"]) window?.[method](type, this.#changed);
    document?.[method]("visibilitychange", this.#look);
  }

  #stop(): void {
    const { clearTimeout } = this.#environment; // A browser's own wants no `this`.
    clearTimeout(this.#timer);
  }

  readonly #look = (): void => {
    const { document, setTimeout } = this.#environment;
    this.#stop();
    if (!document?.hidden) {
      this.#left = false;
      this.#changed();
    } else if (this.#hideAfter <= LONGEST) {
      this.#timer = setTimeout(() => {
        this.#left = true;
        this.#changed();
      }, this.#hideAfter);
    }
  };
}
