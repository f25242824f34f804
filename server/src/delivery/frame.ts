/**
 * WebSocket frames that many connections share (RFC 6455, RFC 7692).
 *
 * Only the start of an envelope, `{"seq":N,`, differs between connections. A SharedFrame holds everything
 * after this prefix once, with free bytes in front. Header and prefix are written into these bytes for each
 * connection, just before the write to its socket. Node usually hands the bytes to the kernel within that
 * write. Then the next connection uses the same memory, and a delivery copies nothing.
 */

import { constants, deflateRawSync } from "node:zlib";

/** The part of net.Socket that a SharedFrame uses. */
export interface FrameSocket {
  write(bytes: Uint8Array): boolean;
  /** Bytes that Node has not handed to the kernel yet. */
  readonly writableLength: number;
}

/** A frame that a connection sends. */
export interface Frame {
  /** Bytes on the wire with this sequence. */
  bytes(seq: number): number;
  /** Writes the frame with this sequence to a socket in one write. */
  writeTo(socket: FrameSocket, seq: number): void;
}

/** A complete frame for one connection, without a sequence. */
export class WholeFrame implements Frame {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(): number {
    return this.#bytes.length;
  }

  writeTo(socket: FrameSocket): void {
    socket.write(this.#bytes);
  }
}

const PREFIX = Buffer.from('{"seq":');
const COMMA = 0x2c;
const TEXT = 0x81; // FIN, text
export const BINARY = 0x82; // FIN, binary
const TEXT_DEFLATED = 0xc1; // FIN, RSV1, text
const STORED_BLOCK = 5; // deflate: block type, LEN, NLEN
const MAX_DIGITS = 16; // digits of Number.MAX_SAFE_INTEGER
/**
 * Free bytes before the shared ones: for the header with 64-bit length, the stored block's header and the
 * prefix.
 */
export const HEADROOM = 10 + STORED_BLOCK + PREFIX.length + MAX_DIGITS + 1;

/** A smaller frame would not shrink by deflate. */
const MIN_DEFLATE_BYTES = 64;
/** RFC 7692 §7.2.1: the empty block at the end of a sync flush is not sent. */
const FLUSH_TAIL_BYTES = 4;

/** How the envelope of a frame is encoded: see PROTOCOL.md. */
export const ENCODINGS = ["plain", "deflate", "compact"] as const;
export type Encoding = (typeof ENCODINGS)[number];

export class SharedFrame implements Frame {
  readonly encoding: Encoding;
  #buffer: Buffer;
  /** The part of the buffer from `#start` on. The object is reused while prefixes have the same length. */
  #view: Buffer;
  #start = -1;

  /**
   * `buffer`: HEADROOM free bytes, then the bytes that follow the prefix. The frame owns the buffer from now
   * on.
   */
  constructor(buffer: Buffer, encoding: Encoding = "plain") {
    this.#buffer = buffer;
    this.#view = buffer;
    this.encoding = encoding;
  }

  /** Bytes on the wire, apart from the varying number of digits in the sequence. */
  get size(): number {
    return this.#buffer.length;
  }

  /** Bytes that follow the prefix. In a plain frame they are the rest of the envelope's text. */
  get shared(): Buffer {
    return this.#buffer.subarray(HEADROOM);
  }

  bytes(seq: number): number {
    let payload = this.#buffer.length - HEADROOM + PREFIX.length + digitsOf(seq) + 1;
    if (this.encoding === "deflate") payload += STORED_BLOCK;
    return payload + headerBytes(payload);
  }

  writeTo(socket: FrameSocket, seq: number): void {
    const start = this.writePrefix(this.#buffer, seq);
    if (start !== this.#start) {
      this.#view = this.#buffer.subarray(start);
      this.#start = start;
    }
    socket.write(this.#view);
    if (socket.writableLength !== 0) {
      // Node could not hand everything to the kernel and still refers to this memory, so the frame continues
      // with a copy.
      this.#buffer = Buffer.from(this.#buffer);
      this.#start = -1;
    }
  }

  /** Writes header and prefix in front of the shared bytes. Returns the index at which the frame starts. */
  protected writePrefix(buffer: Buffer, seq: number): number {
    const deflated = this.encoding === "deflate";
    let at = HEADROOM - 1;
    buffer[at] = COMMA;
    let rest = seq;
    do {
      buffer[--at] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    } while (rest > 0);
    for (let i = PREFIX.length - 1; i >= 0; i--) buffer[--at] = PREFIX[i] as number;
    if (deflated) {
      const stored = HEADROOM - at;
      buffer[--at] = ~(stored >> 8) & 0xff;
      buffer[--at] = ~stored & 0xff;
      buffer[--at] = stored >> 8;
      buffer[--at] = stored & 0xff;
      buffer[--at] = 0; // a stored block that is not the last block
    }
    return writeHeader(buffer, at, buffer.length - at, deflated ? TEXT_DEFLATED : TEXT);
  }
}

/** Bytes of the frame header before a payload of this length. */
export const headerBytes = (payload: number): number => (payload < 126 ? 2 : payload < 65536 ? 4 : 10);

function digitsOf(seq: number): number {
  let digits = 1;
  for (let above = 10; above <= seq; above *= 10) digits++;
  return digits;
}

/**
 * Writes a server's frame header for `length` bytes of payload, which ends before `end`. Returns its first
 * index.
 */
export function writeHeader(buffer: Buffer, end: number, length: number, first: number): number {
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
 * Returns the compressed form of a plain frame; undefined when deflate does not make the frame smaller.
 *
 * @param windowBits LZ77 window of the client in bits, 9 to 15
 */
export function deflateFrame(plain: SharedFrame, windowBits: number): SharedFrame | undefined {
  const shared = plain.shared;
  if (shared.length < MIN_DEFLATE_BYTES) return undefined;
  const blocks = deflateRawSync(shared, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
  const length = blocks.length - FLUSH_TAIL_BYTES;
  if (length + STORED_BLOCK >= shared.length) return undefined;
  const buffer = Buffer.allocUnsafeSlow(HEADROOM + length);
  blocks.copy(buffer, HEADROOM, 0, length);
  return new SharedFrame(buffer, "deflate");
}

/** Returns one plain text frame, for a message to a single connection. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const buffer = Buffer.allocUnsafe(10 + length);
  buffer.write(text, 10);
  return buffer.subarray(writeHeader(buffer, 10, length, TEXT));
}

/** Returns a binary frame with this payload, for a message to a single connection. */
export function binaryFrame(payload: Uint8Array): Buffer {
  const buffer = Buffer.allocUnsafeSlow(10 + payload.length);
  buffer.set(payload, 10);
  return buffer.subarray(writeHeader(buffer, 10, payload.length, BINARY));
}
