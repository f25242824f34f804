/** A socket whose reader the test controls. */

import { EventEmitter } from "node:events";
import { getDefaultHighWaterMark } from "node:stream";

/** Waiting bytes from which on a write asks for a drain. */
export const HIGH_WATER_MARK = getDefaultHighWaterMark(false);

/**
 * Like net.Socket: holds bytes by reference until the reader takes them, and emits `drain` when all bytes are
 * taken.
 */
export class FakeSocket extends EventEmitter {
  /** Bytes that the reader will still take. */
  room = Number.POSITIVE_INFINITY;
  writableLength = 0;
  writableNeedDrain = false;
  writable = true;
  readonly received: Buffer[] = [];
  readonly #held: Uint8Array[] = [];

  write(bytes: Uint8Array): boolean {
    this.#held.push(bytes);
    this.writableLength += bytes.length;
    this.#flush();
    const more = this.writableLength < HIGH_WATER_MARK;
    if (!more) this.writableNeedDrain = true;
    return more;
  }

  cork(): void {}
  uncork(): void {}

  /** Lets the reader take this many more bytes. */
  read(bytes = Number.POSITIVE_INFINITY): void {
    this.room += bytes;
    this.#flush();
    if (this.writableLength > 0 || !this.writableNeedDrain) return;
    this.writableNeedDrain = false;
    this.emit("drain");
  }

  #flush(): void {
    for (let first = this.#held[0]; first !== undefined && first.length <= this.room; first = this.#held[0]) {
      this.#held.shift();
      this.room -= first.length;
      this.writableLength -= first.length;
      this.take(Buffer.from(first));
    }
  }

  /** The reader has taken these bytes. */
  protected take(bytes: Buffer): void {
    this.received.push(bytes);
  }
}
