/** Whether a client takes the bytes that wait for it. */

import type { Socket } from "node:net";

/** Node has no public accessor for the bytes of the running write that the kernel has not taken yet. */
interface WithHandle {
  _handle?: { writeQueueSize?: number } | null;
}

export class Progress {
  readonly #socket: Socket;
  #waiting: number;
  #inFlight: number;
  /** Time of the last sample that showed progress, ms since 1970. */
  #at: number;
  #taken = false;
  /** True when the client has taken bytes since the first sample. */
  moved = false;

  constructor(socket: Socket, now: number) {
    this.#socket = socket;
    this.#waiting = socket.writableLength;
    this.#inFlight = inFlight(socket);
    this.#at = now;
  }

  /** There was room for a message: the next sample counts as progress. */
  taken(): void {
    this.#taken = true;
  }

  /** Returns whether the client has taken bytes since the last sample. */
  sample(now: number): boolean {
    const waiting = this.#socket.writableLength;
    const unsent = inFlight(this.#socket);
    // A large message stays in `writableLength` as a whole until its last byte is taken.
    const progress = this.#taken || waiting < this.#waiting || unsent !== this.#inFlight;
    this.#taken = false;
    this.#waiting = waiting;
    this.#inFlight = unsent;
    if (progress) this.moved = true;
    if (progress || waiting === 0) this.#at = now;
    return progress;
  }

  /** Milliseconds in which the client has taken nothing, as of the last sample. */
  stalledMs(now: number): number {
    return now - this.#at;
  }
}

function inFlight(socket: Socket): number {
  return (socket as unknown as WithHandle)._handle?.writeQueueSize ?? 0;
}
