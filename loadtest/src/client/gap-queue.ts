/** Asks for numbers that did not come, one request at a time: a gateway reads 20 messages a second of a client. */

import type { Gap } from "./account.ts";

export class GapQueue {
  readonly #request: (gap: Gap) => void;
  #gaps: Gap[] = [];
  #asking = false;

  /** @param request sends `replay` */
  constructor(request: (gap: Gap) => void) {
    this.#request = request;
  }

  add(gap: Gap): void {
    this.#gaps.push(gap);
    this.ask();
  }

  ask(): void {
    const [gap] = this.#gaps;
    if (gap === undefined || this.#asking) return;
    this.#asking = true;
    this.#request(gap);
  }

  /** `replay_end` has come. Returns the gap that it was about. */
  answered(): Gap | undefined {
    this.#asking = false;
    return this.#gaps.shift();
  }

  /** The connection has gone, and its numbers with it. */
  clear(): void {
    this.#gaps = [];
    this.#asking = false;
  }
}
