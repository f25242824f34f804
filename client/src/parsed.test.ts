import assert from "node:assert/strict";
import { test } from "node:test";
import { parsed } from "./parsed.ts";

test("a message of any type, also of one that is not known", () => {
  for (const message of [{ type: "welcome" }, { type: "news", channel: "A.trade" }]) {
    assert.deepEqual(parsed(JSON.stringify(message)), message);
  }
});

test("what is none: other than JSON, not an object, without a type; and it never throws", () => {
  const texts = ["<html>", "", "null", "5", "true", '"welcome"', "[]", "{}", '{"type":""}'];
  for (const text of [...texts, undefined, new ArrayBuffer(2)]) assert.ok(!parsed(text), String(text));
});
