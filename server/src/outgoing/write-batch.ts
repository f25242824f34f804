/**
 * Collects the frames that leave a connection together, so that they cost one write to the socket. One batch
 * serves all connections of a process, because it is empty between two connections.
 */

import type { FrameSocket } from "../delivery/frame.ts";

/** Bytes that a batch takes. Larger writes would hardly save anything: the kernel copies each byte. */
export const BATCH_BYTES = 16_384; // 16 KiB

export class WriteBatch implements FrameSocket {
  /** The frames are copied: nothing of them waits. */
  readonly writableLength = 0;
  #buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #length = 0;

  /**
   * Adds a frame.
   *
   * @throws RangeError when the batch has less room than the frame needs
   */
  write(bytes: Uint8Array): boolean {
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return true;
  }

  /** Writes the collected frames to a socket. */
  flushTo(socket: FrameSocket): void {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    // A socket that already holds bytes would hold this whole buffer, so such a socket gets a copy.
    if (socket.writableLength > 0) {
      const copy = Buffer.allocUnsafeSlow(bytes.length);
      copy.set(bytes);
      socket.write(copy);
      return;
    }
    socket.write(bytes);
    // Node could not hand everything to the kernel and still refers to this memory.
    if (socket.writableLength !== 0) this.#buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  }
}
