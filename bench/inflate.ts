/** Decompresses messages (RFC 7692) in the load process. */

import { constants, createInflateRaw, type InflateRaw, inflateRawSync } from "node:zlib";

// The empty block at the end of a sync flush. permessage-deflate leaves these bytes out (RFC 7692 §7.2.1).
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/**
 * Decompresses a message that does not depend on earlier ones.
 *
 * @throws Error when the message depends on earlier ones, or is broken
 */
export function inflateMessage(payload: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH });
}

const MAX_KEPT = 64; // messages

/**
 * Decompresses each distinct message once. A server that compresses without context sends the same bytes to
 * all clients.
 */
export class InflateOnce {
  readonly #known = new Map<string, Buffer>();

  inflate(payload: Buffer): Buffer {
    const key = payload.toString("latin1");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const message = inflateMessage(payload);
    if (this.#known.size >= MAX_KEPT) this.#known.clear();
    this.#known.set(key, message);
    return message;
  }
}

/**
 * Decompresses the messages of one connection whose server keeps its compression context between messages.
 */
export class InflateStream {
  readonly #zlib: InflateRaw = createInflateRaw();
  readonly #parts: Buffer[] = [];
  /** Messages that are not yet decompressed. */
  pending = 0;

  /** @param onError called at most once, when the stream is broken */
  constructor(onError: (error: Error) => void) {
    this.#zlib.on("data", (part: Buffer) => this.#parts.push(part));
    this.#zlib.once("error", onError);
  }

  /** Decompresses a message. Calls back later, in order. `payload` is copied. */
  inflate(payload: Buffer, onMessage: (message: Buffer) => void): void {
    this.pending++;
    this.#zlib.write(Buffer.concat([payload, TAIL]));
    this.#zlib.flush(() => {
      const message = Buffer.concat(this.#parts.splice(0));
      this.pending--;
      onMessage(message);
    });
  }

  close(): void {
    this.#zlib.close();
  }
}
