import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { crc32, deflateRawSync } from "node:zlib";
import { CompactCache, CompactReader } from "./compact-reader.ts";

/** Sequences and offsets below 128 and above: 1 and 2 bytes. */
const number = (value: number): Buffer =>
  Buffer.from(value < 128 ? [value] : [(value & 127) | 128, ...number(value >> 7)]);
const text = (price: number) =>
  `"ts":1,"type":"t","priority":"high","channel":"A.trade","data":{"price":${price}}}`;

interface Base {
  number: number;
  bytes: string;
  distance?: number;
}

function envelope(seq: number, offset: number, price: number, base?: Base, keep = true): Buffer {
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc32(`"offset":${offset},${text(price)}`) + seq) % 2 ** 32);
  const packed = deflateRawSync(text(price), base && { dictionary: Buffer.from(base.bytes) });
  const form = number((base?.number ?? 0) * 2 + (keep ? 1 : 0));
  const distance = base?.distance === undefined ? [] : [number(base.distance)];
  return Buffer.concat([number(seq), check, form, number(offset), ...distance, packed]);
}

function dictionary(key: number, bytes: string, id = bytes): Buffer {
  const hash = createHash("sha256").update(id).digest().subarray(0, 8);
  return Buffer.concat([Buffer.from([0, key]), hash, deflateRawSync(bytes)]);
}

const read = (reader: CompactReader, message: Buffer) => reader.read(message)?.toString();
const full = (seq: number, offset: number, price: number) =>
  `{"seq":${seq},"offset":${offset},${text(price)}`;

test("clients that share a cache read the same message, each with its own seq and its own bases", () => {
  const cache = new CompactCache();
  const [one, two, three] = [new CompactReader(cache), new CompactReader(cache), new CompactReader(cache)];
  const known = { number: 2, bytes: text(5) };
  for (const [reader, seq] of [
    [one, 1],
    [two, 300],
  ] as const) {
    assert.equal(read(reader, dictionary(2, text(5))), undefined);
    assert.equal(read(reader, envelope(seq, 400, 1, known)), full(seq, 400, 1));
    const previous = { number: 1, bytes: text(1), distance: 3 };
    assert.equal(read(reader, envelope(seq + 1, 403, 2, previous)), full(seq + 1, 403, 2));
  }
  assert.equal(read(three, envelope(7, 400, 1)), full(7, 400, 1), "the other form of the same message");
});

test("a client that lacks the base of a message reports the fault, although other clients have the base", () => {
  const cache = new CompactCache();
  const [one, two] = [new CompactReader(cache), new CompactReader(cache)];
  const previous = { number: 1, bytes: text(1), distance: 1 };
  read(one, dictionary(2, text(5)));
  read(one, envelope(1, 10, 1));
  read(one, envelope(2, 11, 2, previous));
  assert.throws(
    () => read(two, envelope(1, 11, 2, previous)),
    /needs the message at offset 10, which this client/,
  );
  assert.throws(
    () => read(two, envelope(1, 12, 2, { number: 2, bytes: text(5) })),
    /needs dictionary 2, which this client/,
  );
  read(two, envelope(1, 10, 1, undefined, false));
  assert.throws(() => read(two, envelope(2, 11, 2, previous)), /needs the message at offset 10/);
});

test("a damaged message is a fault", () => {
  const reader = new CompactReader(new CompactCache());
  const good = envelope(1, 10, 1);
  for (let at = 0; at < good.length; at++) {
    const damaged = Buffer.from(good);
    damaged[at] = (damaged[at] as number) ^ 1;
    let result: string | undefined;
    try {
      result = read(reader, damaged);
    } catch {
      continue;
    }
    // A change of `keep` does not change the envelope.
    assert.ok(at === 5 && result === full(1, 10, 1), `byte ${at}: ${result}`);
  }
  assert.throws(() => read(reader, good.subarray(0, good.length - 2)));
  assert.throws(() => read(reader, dictionary(2, text(1), text(2))), /has the bytes of/);
});
