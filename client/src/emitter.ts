/** Calls the listeners of events, and keeps the current status. */

import { guarded } from "./environment.ts";
import type { Events, Status } from "./types.ts";

export class Emitter {
  status: Status = {
    state: "connecting",
    reason: "",
    code: 0,
    throttle: 0,
  };
  readonly #listeners = new Set<(name: keyof Events, event: never) => void>();

  on<Name extends keyof Events>(wanted: Name, listener: (event: Events[Name]) => void): () => void {
    const own = (name: keyof Events, event: never) => {
      if (name === wanted) listener(event);
    };
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...this.#listeners]) {
      // A listener may remove another listener.
      if (!this.#listeners.has(listener)) continue;
      guarded(() => listener(name, event as never));
    }
  }

  /** Changes the status, and emits `status` if a value differs. */
  set(change: Partial<Status>): void {
    const keys = Object.keys(change) as (keyof Status)[];
    if (keys.every((key) => change[key] === this.status[key])) return;
    this.status = { ...this.status, ...change };
    this.emit("status", this.status);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
