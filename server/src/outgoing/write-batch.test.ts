import assert from "node:assert/strict";
import { test } from "node:test";
import { BATCH_BYTES, WriteBatch } from "./write-batch.ts";

/** Keeps references to the written bytes. `holds`: like a socket whose kernel buffer is full. */
class FakeSocket {
  holds = false;
  readonly written: Uint8Array[] = [];
  writableLength = 0;

  write(bytes: Uint8Array): boolean {
    this.written.push(this.holds ? bytes : Buffer.from(bytes));
    if (this.holds) this.writableLength += bytes.length;
    return !this.holds;
  }
  get texts(): string[] {
    return this.written.map((bytes) => Buffer.from(bytes).toString());
  }
}

const batched = (batch: WriteBatch, ...frames: string[]) => {
  for (const frame of frames) batch.write(Buffer.from(frame));
  return batch;
};

test("collects frames until it is flushed, and keeps no reference to them", () => {
  const batch = new WriteBatch();
  const socket = new FakeSocket();
  batch.flushTo(socket);
  const frame = Buffer.from("abc");
  batch.write(frame);
  frame.fill("x");
  batch.write(Buffer.from("def"));
  assert.deepEqual(socket.texts, []);
  batch.flushTo(socket);
  batch.flushTo(socket);
  assert.deepEqual(socket.texts, ["abcdef"]);
});

test("bytes that a socket still holds do not change, and a slow socket holds no more than its bytes", () => {
  const batch = new WriteBatch();
  const slow = new FakeSocket();
  slow.holds = true;
  batched(batch, "one", "two").flushTo(slow);
  batched(batch, "three").flushTo(new FakeSocket());
  batched(batch, "four").flushTo(slow);
  batched(batch, "five").flushTo(new FakeSocket());
  assert.deepEqual(slow.texts, ["onetwo", "four"]);
  assert.equal(slow.written[1]?.buffer.byteLength, "four".length);
});

test("takes frames up to its size", () => {
  const batch = new WriteBatch();
  batch.write(Buffer.alloc(BATCH_BYTES - 1));
  batch.write(Buffer.from("a"));
  assert.throws(() => batch.write(Buffer.from("b")), RangeError);
});
