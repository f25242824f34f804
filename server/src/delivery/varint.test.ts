import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { varint, varintBytes } from "./varint.ts";

test("numbers are unsigned LEB128", () => {
  assert.deepEqual([...varint(0)], [0]);
  assert.deepEqual([...varint(127)], [127]);
  assert.deepEqual([...varint(128)], [0x80, 1]);
  assert.deepEqual([...varint(624_485)], [0xe5, 0x8e, 0x26]);
});

test("every number up to 2 ** 53 - 1 is read back from as many bytes as were announced", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = varint(value);
      assert.equal(bytes.length, varintBytes(value));
      assert.ok(bytes.every((byte, index) => byte > 127 === index < bytes.length - 1));
      assert.equal(
        bytes.reduceRight((sum, byte) => sum * 128 + (byte & 127), 0),
        value,
      );
    }),
  );
});
