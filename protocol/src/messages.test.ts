import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseClientMessage } from "./messages.ts";

const read = (value: unknown) => parseClientMessage(JSON.stringify(value));
const codeOf = (value: unknown) => (read(value) as { code?: string }).code;

test("a valid message is returned with its channels in short form", () => {
  assert.deepEqual(read({ type: "subscribe", channels: ["odin.token.BTC.trade", "BTC.trade", "BTC.*"] }), {
    type: "subscribe",
    channels: ["BTC.trade", "BTC.*"],
  });
  assert.deepEqual(
    read({ type: "subscribe", channels: ["a.b"], since: { epoch: "e", offset: 0 }, other: 1 }),
    {
      type: "subscribe",
      channels: ["a.b"],
      since: { epoch: "e", offset: 0 },
    },
  );
  assert.deepEqual(read({ type: "unsubscribe", channels: ["a.b"] }), {
    type: "unsubscribe",
    channels: ["a.b"],
  });
  assert.deepEqual(read({ type: "replay", from_seq: 5, to_seq: 5 }), {
    type: "replay",
    from_seq: 5,
    to_seq: 5,
  });
  assert.deepEqual(read({ type: "auth", token: "t" }), { type: "auth", token: "t" });
});

test("the options of subscribe are returned when they have an effect", () => {
  const request = { type: "subscribe", channels: ["a.b"] };
  assert.deepEqual(read({ ...request, last: true, max_rate: 0.1 }), {
    ...request,
    last: true,
    max_rate: 0.1,
  });
  assert.deepEqual(read({ ...request, last: false }), request);
  for (const wrong of [{ last: 1 }, { last: null }, { max_rate: 0 }, { max_rate: 101 }, { max_rate: "4" }]) {
    assert.equal(codeOf({ ...request, ...wrong }), "invalid_message", JSON.stringify(wrong));
  }
});

test("each mistake gets its error code", () => {
  assert.equal((parseClientMessage("{") as { code?: string }).code, "invalid_json");
  for (const value of [
    null,
    1,
    [],
    "x",
    {},
    { type: "x" },
    { type: "subscribe" },
    { type: "subscribe", channels: [] },
  ]) {
    assert.equal(codeOf(value), "invalid_message", JSON.stringify(value));
  }
  for (const since of [
    null,
    1,
    {},
    { epoch: 1, offset: 1 },
    { epoch: "e", offset: -1 },
    { epoch: "e", offset: 0.5 },
  ]) {
    assert.equal(
      codeOf({ type: "subscribe", channels: ["a.b"], since }),
      "invalid_message",
      JSON.stringify(since),
    );
  }
  for (const range of [
    {},
    { from_seq: 0, to_seq: 1 },
    { from_seq: 2, to_seq: 1 },
    { from_seq: 1, to_seq: 1e300 },
  ]) {
    assert.equal(codeOf({ type: "replay", ...range }), "invalid_message", JSON.stringify(range));
  }
  assert.equal(codeOf({ type: "auth", token: "" }), "invalid_message");
  assert.equal(codeOf({ type: "subscribe", channels: ["a.b", "c"] }), "invalid_channel");
});

test("no input throws, and an error quotes only a short part of the input", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify({ type: "subscribe", channels: value })),
      ),
      (text) => {
        const answer = parseClientMessage(text);
        if (answer.type === "error") assert.ok(JSON.stringify(answer).length < 600);
      },
    ),
  );
});

test("a message that is nested deeply is refused without a deep look", () => {
  for (const depth of [2000, 500_000]) {
    for (const text of [
      "[".repeat(depth) + "]".repeat(depth),
      `{"type":${"[".repeat(depth)}${"]".repeat(depth)}}`,
      `{"type":"subscribe","channels":[${'{"a":'.repeat(depth)}1${"}".repeat(depth)}]}`,
    ]) {
      const answer = parseClientMessage(text);
      assert.ok(answer.type === "error" && answer.message.length < 250, text.slice(0, 30));
    }
  }
});

test("an error quotes the start of what was wrong", () => {
  const answer = parseClientMessage(JSON.stringify({ type: ["x".repeat(200)] }));
  assert.ok(answer.type === "error");
  assert.ok(answer.message.startsWith(`unknown type ["${"x".repeat(78)}…`), answer.message);
});
