/**
 * Collects the frames of one step, so that many small messages cost one write to the socket. One batch serves
 * all connections of a process, because it is empty between two steps.
 */

import type { FrameSocket } from "../delivery/frame.ts";

const BATCH_BYTES = 16_384; // 16 KiB

export class WriteBatch implements FrameSocket {
  /** The frames are copied: nothing of them waits. */
  readonly writableLength = 0;
  readonly #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #length = 0;

  hasRoom(bytes: number): boolean {
    return this.#length + bytes <= BATCH_BYTES;
  }

  write(bytes: Uint8Array): boolean {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return true;
  }

  /** Writes the collected frames to a socket. */
  flushTo(socket: Pick<FrameSocket, "write">): void {
    if (this.#length === 0) return;
    const bytes = Buffer.allocUnsafeSlow(this.#length);
    this.#buffer.copy(bytes, 0, 0, this.#length);
    this.#length = 0;
    socket.write(bytes);
  }
}
