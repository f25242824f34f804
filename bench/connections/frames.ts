/** Reads the frames of a server without an object for each connection. */

/**
 * Calls `onFrame` for each whole frame in these bytes, with the bounds of its payload.
 *
 * @returns the number of bytes that were used; the others begin a frame that is not complete
 * @throws Error on a frame that the gateway never sends: masked, or a fragment
 */
export function readFrames(
  bytes: Buffer,
  onFrame: (opcode: number, start: number, end: number) => void,
): number {
  let at = 0;
  while (bytes.length - at >= 2) {
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    if ((first & 0x80) === 0 || (first & 0x0f) === 0) throw new Error("the server sent a fragment");
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
      start = at + 10;
    }
    if (start + size > bytes.length) break;
    onFrame(first & 0x0f, start, start + size);
    at = start + size;
  }
  return at;
}
