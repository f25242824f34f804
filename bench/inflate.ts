/** Decompression of messages (RFC 7692) on the load client. */

import { constants, createInflateRaw, type InflateRaw, inflateRawSync } from "node:zlib";

// The empty block that ends a sync flush and is not sent.
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** A message that needs nothing that came before it. @throws when it does, or is broken */
export function inflateMessage(payload: Buffer): Buffer {
  return inflateRawSync(Buffer.concat([payload, TAIL]), { finishFlush: constants.Z_SYNC_FLUSH });
}

const KEPT = 64;

/** Inflates each distinct message once: a server that compresses without context sends the same bytes to all. */
export class InflateOnce {
  readonly #known = new Map<string, Buffer>();

  inflate(payload: Buffer): Buffer {
    const key = payload.toString("latin1");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const message = inflateMessage(payload);
    if (this.#known.size >= KEPT) this.#known.clear();
    this.#known.set(key, message);
    return message;
  }
}

/** Inflates the messages of one connection whose server keeps its context from one to the next. */
export class InflateStream {
  readonly #zlib: InflateRaw = createInflateRaw();
  readonly #parts: Buffer[] = [];
  /** Messages that are not out yet. */
  pending = 0;

  /** @param onError called at most once, with what is wrong with the stream */
  constructor(onError: (error: Error) => void) {
    this.#zlib.on("data", (part: Buffer) => this.#parts.push(part));
    this.#zlib.once("error", onError);
  }

  /** Calls back later, in order; `payload` is copied. */
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
