/** For tests: writes messages of the compact encoding as a gateway does. */

import { createHash } from "node:crypto";
import { crc32, deflateRawSync } from "node:zlib";

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

export interface Base {
  /** 1: the previous message; 2 or more: a dictionary. */
  number: number;
  bytes: Buffer;
  /** Of the previous message. */
  offset?: number;
}

export const idOf = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

/** A message that defines a dictionary. `known`: without the bytes. */
export function definition(number: number, bytes: Buffer, known = false): Buffer {
  const rest = known ? [] : [deflateRawSync(bytes)];
  return Buffer.concat([varint(0), varint(number), Buffer.from(idOf(bytes), "hex"), ...rest]);
}

/** An envelope. `text`: what follows `"offset":…,`. */
export function encoded(seq: number, offset: number, text: string, base?: Base, keep = true): Buffer {
  const shared = `"offset":${offset},${text}`;
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc32(shared) + seq) % 2 ** 32);
  const head = [varint(seq), check, varint((base?.number ?? 0) * 2 + (keep ? 1 : 0)), varint(offset)];
  if (base?.offset !== undefined) head.push(varint(offset - base.offset));
  return Buffer.concat([...head, deflateRawSync(text, base && { dictionary: base.bytes })]);
}

/** The text of an envelope after `"offset":…,`. */
export const textOf = (channel: string, price: number): string =>
  `"ts":1795253616675,"type":"price:update","priority":"high","channel":"${channel}","data":{"price":${price}}}`;

/** The bytes as a WebSocket gives them to a page. */
export const arrayBuffer = (bytes: Buffer): ArrayBuffer => new Uint8Array(bytes).buffer as ArrayBuffer;
