/**
 * WebSocket frames that many connections share (RFC 6455, RFC 7692).
 *
 * Of an envelope only `{"seq":N,` differs between connections. A SharedFrame holds everything after it once, with room in front
 * where header and prefix are written for each connection just before its socket's write. When Node hands the bytes
 * to the kernel in that call, which is the rule, the same memory serves the next connection: a delivery copies nothing.
 */

import { constants, deflateRawSync } from "node:zlib";

/** What a SharedFrame needs of a net.Socket. */
export interface FrameSocket {
  write(bytes: Uint8Array): boolean;
  /** Bytes that Node still holds. */
  readonly writableLength: number;
}

const PREFIX = Buffer.from('{"seq":');
const COMMA = 0x2c;
const TEXT = 0x81; // FIN, text
const TEXT_DEFLATED = 0xc1; // FIN, RSV1, text
const STORED_BLOCK = 5; // deflate: block type, LEN, NLEN
const MAX_DIGITS = 16; // of Number.MAX_SAFE_INTEGER
/** Room before the shared bytes: header with 64-bit length, stored block's header, prefix. */
export const HEADROOM = 10 + STORED_BLOCK + PREFIX.length + MAX_DIGITS + 1;

/** Below this size deflate has nothing to gain. */
const MIN_DEFLATE_BYTES = 64;
/** RFC 7692 §7.2.1: the empty block that a sync flush ends with is not sent. */
const FLUSH_TAIL_BYTES = 4;

export class SharedFrame {
  readonly #deflated: boolean;
  #buffer: Buffer;
  /** The part of the buffer from `#start` on; one object as long as prefixes have the same length. */
  #view: Buffer;
  #start = -1;

  /** `buffer`: HEADROOM free bytes, then what follows the prefix. It belongs to the frame from now on. */
  constructor(buffer: Buffer, deflated = false) {
    this.#buffer = buffer;
    this.#view = buffer;
    this.#deflated = deflated;
  }

  get deflated(): boolean {
    return this.#deflated;
  }

  /** Bytes on the wire, give or take the digits of the sequence. */
  get size(): number {
    return this.#buffer.length;
  }

  /** What follows the prefix: plain, the envelope's text. */
  get shared(): Buffer {
    return this.#buffer.subarray(HEADROOM);
  }

  /** Writes the envelope with this `seq` to a socket. Returns the bytes written. */
  writeTo(socket: FrameSocket, seq: number): number {
    const start = this.#writePrefix(seq);
    if (start !== this.#start) {
      this.#view = this.#buffer.subarray(start);
      this.#start = start;
    }
    const bytes = this.#view.length;
    socket.write(this.#view);
    if (socket.writableLength !== 0) {
      // Node could not hand all of it to the kernel and still refers to this memory: it is the socket's now.
      this.#buffer = Buffer.from(this.#buffer);
      this.#start = -1;
    }
    return bytes;
  }

  /** Writes header and prefix in front of the shared bytes and returns where the frame starts. */
  #writePrefix(seq: number): number {
    const buffer = this.#buffer;
    let at = HEADROOM - 1;
    buffer[at] = COMMA;
    let rest = seq;
    do {
      buffer[--at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    } while (rest > 0);
    for (let i = PREFIX.length - 1; i >= 0; i--) buffer[--at] = PREFIX[i] as number;
    if (this.#deflated) {
      const stored = HEADROOM - at;
      buffer[--at] = ~(stored >> 8) & 0xff;
      buffer[--at] = ~stored & 0xff;
      buffer[--at] = stored >> 8;
      buffer[--at] = stored & 0xff;
      buffer[--at] = 0; // not the last block, stored
    }
    return writeHeader(buffer, at, buffer.length - at, this.#deflated ? TEXT_DEFLATED : TEXT);
  }
}

/** Writes a server's frame header that ends before `end`, for `length` bytes of payload. Returns where it starts. */
function writeHeader(buffer: Buffer, end: number, length: number, first: number): number {
  let at = end;
  if (length < 126) {
    buffer[--at] = length;
  } else if (length < 65536) {
    buffer[--at] = length & 0xff;
    buffer[--at] = length >> 8;
    buffer[--at] = 126;
  } else {
    at -= 8;
    buffer.writeUInt32BE(Math.floor(length / 2 ** 32), at);
    buffer.writeUInt32BE(length >>> 0, at + 4);
    buffer[--at] = 127;
  }
  buffer[--at] = first;
  return at;
}

/**
 * The compressed twin of a plain frame, or undefined when deflate does not make it smaller.
 *
 * @param windowBits LZ77 window that the client can hold, 9 to 15
 */
export function deflateFrame(plain: SharedFrame, windowBits: number): SharedFrame | undefined {
  const shared = plain.shared;
  if (shared.length < MIN_DEFLATE_BYTES) return undefined;
  const blocks = deflateRawSync(shared, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
  const length = blocks.length - FLUSH_TAIL_BYTES;
  if (length + STORED_BLOCK >= shared.length) return undefined;
  const buffer = Buffer.allocUnsafeSlow(HEADROOM + length);
  blocks.copy(buffer, HEADROOM, 0, length);
  return new SharedFrame(buffer, true);
}

/** One plain text frame, for what is said to a single connection. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const buffer = Buffer.allocUnsafe(10 + length);
  buffer.write(text, 10);
  return buffer.subarray(writeHeader(buffer, 10, length, TEXT));
}
