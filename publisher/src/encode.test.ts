import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSubject } from "@odin-ws/protocol";
import fc from "fast-check";
import { encodeEvent } from "./encode.ts";
import { InvalidEventError } from "./errors.ts";
import type { EventInput } from "./events.ts";

const custom = (fields: object): EventInput =>
  ({ id: "1", subject: "odin.token.BTC.x", data: 1, ...fields }) as EventInput;

function problemsOf(event: unknown): readonly string[] {
  try {
    encodeEvent(event as EventInput);
  } catch (error) {
    assert.ok(error instanceof InvalidEventError, String(error));
    assert.equal(error.code, "invalid_event");
    return error.problems;
  }
  assert.fail(`accepted: ${JSON.stringify(event)}`);
}

test("an event is encoded with its subject, message id, overrides and JSON", () => {
  const trade = { symbol: "BTC", side: "buy", price: 1, amount: 2, value: 2, time: 3 } as const;
  const token = encodeEvent({ id: "17", event: "trade", symbol: "BTC", data: trade });
  assert.equal(token.subject, "odin.token.BTC.trade");
  assert.equal(token.messageId, "BTC.trade:17");
  assert.equal(Buffer.from(token.body).toString(), JSON.stringify(trade));
  assert.ok(!("type" in token) && !("priority" in token));
  assert.ok(token.bytes > token.body.length);

  const trending = encodeEvent({
    id: "18",
    event: "trending",
    data: [],
    type: "trending:full",
    priority: "low",
  });
  assert.equal(trending.subject, "odin.global.trending");
  assert.equal(trending.messageId, "global.trending:18");
  assert.equal(trending.type, "trending:full");
  assert.equal(trending.priority, "low");

  const other = encodeEvent({ id: "ü-1", subject: "odin.token.猫.airdrop", data: "😀" });
  assert.equal(other.messageId, "猫.airdrop:ü-1");
  assert.equal(Buffer.from(other.body).toString(), '"😀"');
});

test("the same number on two channels makes two message ids", () => {
  const of = (subject: string) => encodeEvent({ id: "1", subject, data: null }).messageId;
  assert.notEqual(of("odin.token.BTC.trade"), of("odin.token.BTC.comment"));
  assert.notEqual(of("odin.token.BTC.trade"), of("odin.token.ETH.trade"));
});

test("an error names all mistakes at once", () => {
  const all = problemsOf({
    id: "",
    event: "trade",
    symbol: "B.C",
    data: undefined,
    type: "a b",
    priority: "urgent",
  });
  assert.deepEqual(
    all.map((problem) => problem.split(":")[0]),
    ["symbol", "id", "type", "priority", "data"],
  );
  const wrong: [string, unknown][] = [
    ["event", { id: "1", event: "trades", symbol: "BTC", data: {} }],
    ["event", { id: "1", data: {} }],
    ["symbol", { id: "1", event: "trade", data: {} }],
    ["symbol", { id: "1", event: "trade", symbol: "global", data: {} }],
    ["symbol", { id: "1", event: "trade", symbol: "*", data: {} }],
    ["symbol", { id: "1", event: "trade", symbol: "x".repeat(65), data: {} }],
    ["subject", custom({ subject: "BTC.trade" })],
    ["subject", custom({ subject: "odin.token.BTC.>" })],
    ["subject", custom({ subject: 7 })],
    ["id", custom({ id: 17 })],
    ["id", custom({ id: "a\r\nNats-Rollup: all" })],
    ["id", custom({ id: " a" })],
    ["id", custom({ id: "x".repeat(257) })],
    ["type", custom({ type: 'a"b' })],
    ["type", custom({ type: "" })],
    ["data", custom({ data: () => 1 })],
    ["data", custom({ data: 1n })],
    ["data", custom({ data: { price: Number.NaN } })],
    ["data", custom({ data: [{ change: Number.POSITIVE_INFINITY }] })],
    ["an event must be an object with id, event, symbol and data", null],
    ["an event must be an object with id, event, symbol and data", "x"],
  ];
  for (const [field, event] of wrong) {
    const problems = problemsOf(event);
    assert.equal(problems.length, 1, problems.join());
    assert.equal(problems[0]?.split(":")[0], field, problems[0]);
  }
  assert.match(
    problemsOf(custom({ data: { a: [{ price: Number.NaN }] } })).join(),
    /data\.a\.0\.price is NaN/,
  );
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  assert.match(problemsOf(custom({ data: circular })).join(), /^data: cannot be written as JSON/);
});

test("null is allowed as data and inside of data", () => {
  assert.equal(Buffer.from(encodeEvent(custom({ data: null })).body).toString(), "null");
  assert.equal(
    Buffer.from(encodeEvent(custom({ data: { a: null, b: 1 } })).body).toString(),
    '{"a":null,"b":1}',
  );
});

test("any input is either encoded so that a gateway can read it, or refused with InvalidEventError", () => {
  fc.assert(
    fc.property(
      fc.record(
        {
          id: fc.string({ unit: "binary" }),
          event: fc.constantFrom("trade", "trending", "other"),
          symbol: fc.string({ unit: "binary", maxLength: 70 }),
          subject: fc.string().map((text) => `odin.token.${text}`),
          data: fc.anything(),
          type: fc.string(),
          priority: fc.string(),
        },
        { requiredKeys: [] },
      ),
      (event) => {
        try {
          const { subject, channel, messageId, type = "" } = encodeEvent(event as EventInput);
          assert.equal(parseSubject(subject)?.channel, channel);
          assert.doesNotMatch(messageId + type, /[\r\n]/);
        } catch (error) {
          assert.ok(error instanceof InvalidEventError, String(error));
          assert.ok(error.problems.length > 0 && error.message.length < 3_000);
        }
      },
    ),
    { numRuns: 500 },
  );
});
