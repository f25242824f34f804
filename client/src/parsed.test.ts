import assert from "node:assert/strict";
import { test } from "node:test";
import { parsed } from "./parsed.ts";

test("a message of any type is parsed, even of an unknown type", () => {
  for (const message of [{ type: "welcome" }, { type: "other", channel: "A.trade" }]) {
    assert.deepEqual(parsed(JSON.stringify(message), undefined), message);
  }
});

test("invalid JSON, other values than objects and objects without a type are false; nothing throws", () => {
  const texts = ["<html>", "", "null", "5", "true", '"welcome"', "[]", "{}", '{"type":""}'];
  for (const text of [...texts, undefined, new ArrayBuffer(2)])
    assert.ok(!parsed(text as string, undefined), String(text));
});

test("the option parse gets the whole text, and only the data of its result is used", () => {
  const text = '{"type":"t","channel":"A.trade","offset":7,"data":{"id":9007199254740993}}';
  const exact = (json: string) =>
    JSON.parse(json, ((_key: string, value: unknown, { source }: { source: string }) =>
      typeof value === "number" ? BigInt(source) : value) as never) as unknown;
  assert.deepEqual(parsed(text, exact), {
    type: "t",
    channel: "A.trade",
    offset: 7,
    data: { id: 9007199254740993n },
  });
  const control = '{"type":"reconnect","in_ms":5}';
  assert.deepEqual(parsed(control, exact), { type: "reconnect", in_ms: 5 });
});

test("an error of the option parse is reported, and the message has the data of JSON.parse", (t) => {
  const later: (() => void)[] = [];
  const mock = t.mock.method(globalThis, "setTimeout", ((callback: () => void) =>
    later.push(callback)) as never);
  const message = parsed('{"type":"t","channel":"A.trade","data":5}', () => {
    throw new Error("mine");
  });
  mock.mock.restore();
  assert.deepEqual(message, { type: "t", channel: "A.trade", data: 5 });
  assert.throws(() => later[0]?.(), /mine/);
});
