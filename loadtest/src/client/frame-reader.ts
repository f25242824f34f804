/**
 * Reads the WebSocket frames of a server (RFC 6455), fast enough for ten thousand clients on one core. Also
 * used by the bench.
 */

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const EMPTY = Buffer.alloc(0);
const FIN = 0x80;
const RSV1 = 0x40;
const MAX_FRAME = 16_777_216; // 16 MiB, more than any envelope

/** Receives one whole frame. `bytes` is reused after the call. `size` is the frame's length on the wire. */
export type FrameHandler = (
  opcode: number,
  compressed: boolean,
  bytes: Buffer,
  start: number,
  end: number,
  size: number,
) => void;

/**
 * Calls `onFrame` for each whole frame in these bytes.
 *
 * @returns the number of bytes that were used; the others begin a frame that is not complete
 * @throws Error on a masked frame, a fragmented message (which none of the measured servers sends), or a huge
 *   frame
 */
export function readFrames(bytes: Buffer, onFrame: FrameHandler): number {
  let at = 0;
  while (bytes.length - at >= 2) {
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if ((first & FIN) === 0 || (first & 0x0f) === 0) throw new Error("the server sent a fragmented message");
    if (second > 127) throw new Error("the server sent a masked frame");
    let size = second;
    let start = at + 2;
    if (second === 126) {
      if (bytes.length - at < 4) break;
      size = bytes.readUInt16BE(at + 2);
      start = at + 4;
    } else if (second === 127) {
      if (bytes.length - at < 10) break;
      size = Number(bytes.readBigUInt64BE(at + 2));
      if (size > MAX_FRAME)
        throw new Error(`the server sent a frame of ${size} bytes, more than ${MAX_FRAME}`);
      start = at + 10;
    }
    const end = start + size;
    if (end > bytes.length) break;
    onFrame(first & 0x0f, (first & RSV1) !== 0, bytes, start, end, end - at);
    at = end;
  }
  return at;
}

/** Reads the frames of one connection, whatever the chunks in which they arrive. */
export class FrameReader {
  readonly #onFrame: FrameHandler;
  #rest: Buffer = EMPTY;

  constructor(onFrame: FrameHandler) {
    this.#onFrame = onFrame;
  }

  /** Reads a chunk of the socket, as `readFrames` does. The caller may reuse `chunk` after the call. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = EMPTY;
    const used = readFrames(bytes, this.#onFrame);
    // The rest is copied, because all connections share the socket's buffer.
    if (used < bytes.length) this.#rest = Buffer.from(bytes.subarray(used));
  }
}

/**
 * Encodes a client's frame. The mask is zero: the server unmasks it like any other, and the client saves the
 * work.
 */
export function clientFrame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const extended = length > 125 ? 2 : 0;
  const frame = Buffer.alloc(2 + extended + 4 + length);
  frame[0] = FIN | opcode;
  if (extended === 0) frame[1] = 0x80 | length;
  else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  }
  payload.copy(frame, 6 + extended);
  return frame;
}
