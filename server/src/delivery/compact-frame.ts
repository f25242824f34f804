/** Frames of the compact encoding. PROTOCOL.md, "Compact encoding", describes each byte. */

import { crc32 } from "node:zlib";
import { deflate } from "./deflate.ts";
import type { Dictionary } from "./dictionary.ts";
import { BINARY, HEADROOM, headerBytes, SharedFrame, writeHeader } from "./frame.ts";
import { varint, varintBytes, writeVarint } from "./varint.ts";

const CHECK_BYTES = 4;
/** Values of `form` below the first dictionary number. */
const ALONE = 0;
const PREVIOUS = 1;

/** The parts of an envelope that are compressed, and its offset. */
export interface CompactText {
  offset: number;
  /** The envelope's text after `{"seq":N,"offset":O,`. */
  text: Uint8Array;
}

/** A message in the compact encoding. Only `seq` and the check differ between clients. */
export class CompactFrame extends SharedFrame {
  /** The dictionary that the client must have; undefined when the frame uses none. */
  readonly dictionary: Dictionary | undefined;
  readonly #crc: number;

  constructor(buffer: Buffer, crc: number, dictionary: Dictionary | undefined) {
    super(buffer, "compact");
    this.dictionary = dictionary;
    this.#crc = crc;
  }

  override bytes(seq: number): number {
    const payload = this.size - HEADROOM + CHECK_BYTES + varintBytes(seq);
    return payload + headerBytes(payload);
  }

  protected override writePrefix(buffer: Buffer, seq: number): number {
    const check = HEADROOM - CHECK_BYTES;
    buffer.writeUInt32BE((this.#crc + seq) >>> 0, check);
    const at = check - varintBytes(seq);
    writeVarint(buffer, at, seq);
    return writeHeader(buffer, at, buffer.length - at, BINARY);
  }
}

/**
 * Encodes an envelope.
 *
 * @param shared the envelope's text after `{"seq":N,`
 * @param base what the text is compressed with: a dictionary, or the previous message of its channel
 * @param kept true when the client must keep the text, because the channel's next message may need it
 */
export function encodeCompact(
  shared: Buffer,
  { offset, text }: CompactText,
  base: Dictionary | CompactText | undefined,
  kept: boolean,
): CompactFrame {
  const dictionary = base !== undefined && "number" in base ? base : undefined;
  const previous = base !== undefined && "offset" in base ? base : undefined;
  const form = dictionary?.number ?? (previous === undefined ? ALONE : PREVIOUS);
  const head = [varint(form * 2 + (kept ? 1 : 0)), varint(offset)];
  if (previous !== undefined) head.push(varint(offset - previous.offset));
  const body = deflate(text, dictionary?.bytes ?? previous?.text);
  const buffer = Buffer.allocUnsafeSlow(
    HEADROOM + head.reduce((sum, part) => sum + part.length, body.length),
  );
  let at = HEADROOM;
  for (const part of [...head, body]) {
    buffer.set(part, at);
    at += part.length;
  }
  return new CompactFrame(buffer, crc32(shared), dictionary);
}
