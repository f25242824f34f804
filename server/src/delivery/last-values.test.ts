import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { LastValues } from "./last-values.ts";
import { Message } from "./message.ts";

const CHANNELS = ["A.trade", "A.metadata", "B.trade", "C.trade", "global.trending"];
const NAMES = [...CHANNELS, "A.*", "*.trade", "*.*", "D.trade", "D.*"];
const LIMITS = { maxAgeMs: 1000, maxBytes: 1e9 };

function message(offset: number, channel: string, size = 0): Message {
  const subject = channel.startsWith("global.") ? `odin.${channel}` : `odin.token.${channel}`;
  const body = Buffer.from(JSON.stringify("x".repeat(size)));
  const made = Message.from({ subject, offset, ts: 0, body });
  assert.ok(made);
  return made;
}
const offsets = (messages: readonly Message[]) => messages.map(({ offset }) => offset);

test("in any sequence, a channel or pattern has its newest messages in their order", () => {
  const step = fc.record({
    channel: fc.constantFrom(...CHANNELS),
    pass: fc.constantFrom(0, 0, 0, 1, 400),
    begin: fc.option(fc.nat(40), { nil: undefined, freq: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 6 }), (steps, max) => {
      const values = new LastValues(LIMITS);
      let model: { channel: string; offset: number; at: number }[] = [];
      let now = 0;
      for (const [index, { channel, pass, begin }] of steps.entries()) {
        now += pass;
        if (begin !== undefined) {
          values.begin(begin);
          model = model.filter(({ offset }) => offset <= begin);
        }
        values.put(message(index + 1, channel), now);
        model = model.filter((one) => one.channel !== channel && now - one.at < LIMITS.maxAgeMs);
        model.push({ channel, offset: index + 1, at: now });
        for (const name of NAMES) {
          const wanted = model.filter((one) => covers(name, one.channel)).reverse();
          assert.deepEqual(offsets(values.newest(name, max)), offsets(wanted as never).slice(0, max), name);
        }
        assert.equal(values.size, model.length);
      }
      values.begin(0);
      assert.deepEqual([values.size, values.bytes, values.newest("*.*", 9)], [0, 0, []]);
    }),
    { numRuns: 300 },
  );
});

test("an older message does not replace a newer one", () => {
  const values = new LastValues(LIMITS);
  values.put(message(5, "A.trade"), 0);
  values.put(message(4, "A.trade"), 0);
  assert.deepEqual(offsets(values.all()), [5]);
});

test("beyond the limit of bytes the oldest values are forgotten", () => {
  const bytes = message(1, "A.trade", 1000).bytes;
  const values = new LastValues({ ...LIMITS, maxBytes: 2 * bytes });
  for (const [index, channel] of ["A.trade", "B.trade", "A.trade", "C.trade"].entries()) {
    values.put(message(index + 1, channel, 1000), 0);
  }
  assert.deepEqual(offsets(values.all()), [3, 4]);
  assert.equal(values.bytes, 2 * bytes);
});

test("a value that was published long ago is forgotten sooner", () => {
  const values = new LastValues(LIMITS);
  values.put(message(1, "A.trade"), 5000, 600);
  values.put(message(2, "B.trade"), 5000);
  values.trim(5399);
  assert.deepEqual(offsets(values.all()), [1, 2]);
  values.trim(5400);
  assert.deepEqual(offsets(values.all()), [2]);
});

test("all clients share the marked form of a value", () => {
  const values = new LastValues(LIMITS);
  const first = message(1, "A.trade");
  values.put(first, 0);
  const marked = values.marked(first);
  assert.equal(values.marked(first), marked);
  const rest = '"ts":0,"type":"price:update","priority":"high","channel":"A.trade","data":""}';
  assert.equal(marked.shared.toString(), `"offset":1,"last":true,${rest}`);
  values.put(message(2, "A.trade"), 0);
  assert.notEqual(values.marked(first), marked, "only the newest message keeps its marked form");
});
