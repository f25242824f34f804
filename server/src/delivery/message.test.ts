import assert from "node:assert/strict";
import { test } from "node:test";
import { type Envelope, PRIORITIES } from "@odin-ws/protocol";
import fc from "fast-check";
import type { RawMessage } from "../source/source.ts";
import { HEADROOM } from "./frame.ts";
import { Message } from "./message.ts";

const RAW: RawMessage = {
  subject: "odin.token.BTC.trade",
  offset: 7,
  ts: 1700,
  body: Buffer.from('{"price":1.10}'),
};

function from(raw: Partial<RawMessage>): Message {
  const message = Message.from({ ...RAW, ...raw });
  assert.ok(message);
  return message;
}
/** Returns the envelope as a client reads it, with seq 1. */
const textOf = (message: Message) => `{"seq":1,${message.frame(0).shared.toString()}`;
const envelopeOf = (message: Message) => JSON.parse(textOf(message)) as Envelope;

test("an envelope has the documented fields in order and the publisher's JSON byte for byte", () => {
  assert.equal(
    textOf(from({})),
    '{"seq":1,"offset":7,"ts":1700,"type":"price:update","priority":"high","channel":"BTC.trade","data":{"price":1.10}}',
  );
  for (const body of ['{"a" : 1.0,\n"b":1e400}', "12345678901234567890", '"\\u0041€"', " null "]) {
    assert.ok(textOf(from({ body: Buffer.from(body) })).endsWith(`"data":${body}}`), body);
  }
});

test("type and priority come from the headers when these are set, otherwise from the event", () => {
  const seen = (raw: Partial<RawMessage>) => {
    const message = from(raw);
    const { type, priority, channel } = envelopeOf(message);
    assert.equal(PRIORITIES[message.priority], priority);
    assert.equal(message.channel, channel);
    return [channel, message.event, type, priority];
  };
  assert.deepEqual(seen({ subject: "odin.token.X.balances" }), [
    "X.balances",
    "balances",
    "balances:update",
    "critical",
  ]);
  assert.deepEqual(seen({ subject: "odin.token.X.metadata" }), [
    "X.metadata",
    "metadata",
    "metadata:update",
    "low",
  ]);
  assert.deepEqual(seen({ subject: "odin.global.new_listing" }), [
    "global.new_listing",
    "new_listing",
    "listing:new",
    "medium",
  ]);
  assert.deepEqual(seen({ subject: "odin.token.X.airdrop" }), [
    "X.airdrop",
    "airdrop",
    "airdrop:update",
    "medium",
  ]);
  assert.deepEqual(seen({ type: 'odd "type"', priority: "critical" }), [
    "BTC.trade",
    "trade",
    'odd "type"',
    "critical",
  ]);
  assert.deepEqual(seen({ type: "", priority: "urgent" }), ["BTC.trade", "trade", "price:update", "high"]);
});

test("an unknown subject gives no message", () => {
  for (const subject of [
    "odin.token.BTC",
    "odin.token.BTC.trade.x",
    "other.BTC.trade",
    "odin.token.global.trade",
    "",
  ]) {
    assert.equal(Message.from({ ...RAW, subject }), undefined, subject);
  }
});

test("does not depend on the source's buffer", () => {
  const body = Buffer.from('{"price":1}');
  const message = from({ body });
  body.fill(0x20);
  assert.deepEqual(envelopeOf(message).data, { price: 1 });
  const pooled = from({ body: Buffer.from('xx{"a":1}yy').subarray(2, 9) });
  assert.deepEqual(envelopeOf(pooled).data, { a: 1 });
  assert.equal(pooled.frame(0).shared.buffer.byteLength, pooled.bytes, "its memory is exactly its own bytes");
});

test("pack and unpack give the same message in another process", () => {
  const raw = fc.record({
    subject: fc.constantFrom("odin.token.BTC.trade", "odin.token.猫.social", "odin.global.trending"),
    offset: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    ts: fc.integer({ min: 0, max: 4e12 }),
    body: fc.json({ maxDepth: 1 }).map((json) => Buffer.from(json)),
    type: fc.option(fc.string({ unit: "binary" }), { nil: undefined }),
    priority: fc.constantFrom(undefined, ...PRIORITIES),
  });
  fc.assert(
    fc.property(raw, (one) => {
      const message = from(one);
      const copy = Message.unpack(structuredClone(message.pack()));
      const { offset, ts, channel, event, priority, bytes } = message;
      assert.deepEqual(
        {
          offset: copy.offset,
          ts: copy.ts,
          channel: copy.channel,
          event: copy.event,
          priority: copy.priority,
        },
        { offset, ts, channel, event, priority },
      );
      assert.equal(copy.bytes, bytes);
      assert.equal(textOf(copy), textOf(message));
      const envelope = envelopeOf(copy);
      assert.deepEqual(envelope.data, JSON.parse(one.body.toString()));
      assert.deepEqual([envelope.offset, envelope.ts], [one.offset, one.ts]);
    }),
    { numRuns: 40 },
  );
});

test("is encoded once, and compressed once for each window", () => {
  const message = from({ body: Buffer.from(JSON.stringify({ text: "tick ".repeat(100) })) });
  assert.equal(message.frame(0), message.frame(0));
  const frames = [9, 12, 15].map((bits) => message.frame(bits));
  for (const [index, bits] of [9, 12, 15].entries()) {
    assert.equal(message.frame(bits), frames[index]);
    assert.ok(frames[index]?.encoding === "deflate");
  }
  assert.equal(new Set(frames).size, 3);
  // A repetition after 900 bytes is outside a window of 9 bits.
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(700))).toString("base64");
  const far = from({ body: Buffer.from(JSON.stringify([noise, noise])) });
  assert.ok(far.frame(9).size > far.frame(15).size + 500);
  assert.ok((frames[2]?.size ?? 0) < message.bytes / 2);
});

test("a message that deflate does not shrink is sent uncompressed to everybody", () => {
  const tiny = from({ body: Buffer.from("1") });
  assert.equal(tiny.frame(0).encoding, "plain");
  const digits = Buffer.from(
    JSON.stringify(Buffer.from(crypto.getRandomValues(new Uint8Array(3000))).toString("latin1")),
  );
  assert.ok(tiny.frame(15).size <= tiny.bytes);
  const noise = from({ body: digits });
  assert.ok(noise.frame(15).size <= noise.bytes);
  assert.equal(noise.bytes, HEADROOM + noise.frame(0).shared.length);
});
