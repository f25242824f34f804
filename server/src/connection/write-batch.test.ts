import assert from "node:assert/strict";
import { test } from "node:test";
import { WriteBatch } from "./write-batch.ts";

test("collects frames until it is flushed, and keeps no reference to them", () => {
  const batch = new WriteBatch();
  const written: string[] = [];
  const socket = { write: (bytes: Uint8Array) => written.push(Buffer.from(bytes).toString()) > 0 };
  batch.flushTo(socket);
  const frame = Buffer.from("abc");
  batch.write(frame);
  frame.fill("x");
  batch.write(Buffer.from("def"));
  assert.deepEqual(written, []);
  batch.flushTo(socket);
  batch.flushTo(socket);
  assert.deepEqual(written, ["abcdef"]);
  assert.equal(batch.hasRoom(16_384), true);
  batch.write(Buffer.from("g"));
  assert.equal(batch.hasRoom(16_384), false);
});
