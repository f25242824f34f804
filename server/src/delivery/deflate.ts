/** Raw deflate (RFC 1951) with a preset dictionary, for the compact encoding. */

import { deflateRawSync } from "node:zlib";

/** zlib finds nothing in the last bytes of its window. */
const LOOKAHEAD_BYTES = 262;
const MIN_WINDOW_BITS = 9;
const MAX_WINDOW_BITS = 15;
const LEVEL = 9;
/** Memory of zlib's tables. Smaller tables are faster to clear, and enough for a window of 8 KiB. */
const SMALL_WINDOW_BITS = 13;
const SMALL_MEM_LEVEL = 6;
const MEM_LEVEL = 8; // zlib's default

/**
 * Compresses a text. The window is only as large as needed, because zlib spends most of its time on small
 * texts with clearing the memory of the window.
 */
export function deflate(text: Uint8Array, dictionary: Uint8Array | undefined): Buffer {
  const bits = Math.ceil(Math.log2(text.length + LOOKAHEAD_BYTES + (dictionary?.length ?? 0)));
  const windowBits = Math.min(MAX_WINDOW_BITS, Math.max(MIN_WINDOW_BITS, bits));
  const memLevel = windowBits > SMALL_WINDOW_BITS ? MEM_LEVEL : SMALL_MEM_LEVEL;
  const options = { windowBits, memLevel, level: LEVEL };
  return deflateRawSync(text, dictionary === undefined ? options : { ...options, dictionary });
}
