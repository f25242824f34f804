/**
 * Requests missing sequence numbers, one request at a time: a gateway reads only 20 messages a second from a
 * client.
 */

import type { Gap } from "./delivery-tracker.ts";

export class GapQueue {
  readonly #request: (gap: Gap) => void;
  #gaps: Gap[] = [];
  #requesting = false;

  /** @param request sends `replay` */
  constructor(request: (gap: Gap) => void) {
    this.#request = request;
  }

  add(gap: Gap): void {
    this.#gaps.push(gap);
    this.requestNext();
  }

  /** Requests the first gap, unless a request is open. */
  requestNext(): void {
    const [gap] = this.#gaps;
    if (gap === undefined || this.#requesting) return;
    this.#requesting = true;
    this.#request(gap);
  }

  /** Handles a `replay_end`. Returns the gap that was requested. */
  answered(): Gap | undefined {
    this.#requesting = false;
    return this.#gaps.shift();
  }

  /** Forgets all gaps, because the connection ended and its numbers are void. */
  clear(): void {
    this.#gaps = [];
    this.#requesting = false;
  }
}
