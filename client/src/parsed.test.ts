import assert from "node:assert/strict";
import { test } from "node:test";
import { parsed } from "./parsed.ts";

test("a message of any type is parsed, even of an unknown type", () => {
  for (const message of [{ type: "welcome" }, { type: "other", channel: "A.trade" }]) {
    assert.deepEqual(parsed(JSON.stringify(message)), message);
  }
});

test("invalid JSON, other values than objects and objects without a type are false; nothing throws", () => {
  const texts = ["<html>", "", "null", "5", "true", '"welcome"', "[]", "{}", '{"type":""}'];
  for (const text of [...texts, undefined, new ArrayBuffer(2)]) assert.ok(!parsed(text), String(text));
});
