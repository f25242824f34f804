import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { covers, type Position } from "@odin-ws/protocol";
import fc from "fast-check";
import { History } from "./history.ts";
import { HistoryReader } from "./history-reader.ts";
import { Message } from "./message.ts";

const LIMITS = { maxAgeMs: 30_000, maxMessages: 100_000, maxBytes: 50_000_000 };

function message(offset: number, channel = "BTC.trade", ts = 0, body = "{}"): Message {
  const made = Message.from({ subject: `odin.token.${channel}`, offset, ts, body: Buffer.from(body) });
  assert.ok(made);
  return made;
}
const offsets = (messages: Message[] | undefined) => messages?.map(({ offset }) => offset);

/** Reads what channels carried after a position in parts of `count` messages; undefined: not complete. */
function since(history: History, position: Position, channels: string[], count = 100): Message[] | undefined {
  if (!history.has(position)) return undefined;
  const reader = new HistoryReader(history, position.offset, channels);
  const found: Message[] = [];
  while (!reader.done) {
    const part = reader.next(count);
    if (part === undefined) return undefined;
    found.push(...part);
  }
  return found;
}

function filled(count: number, limits: Partial<typeof LIMITS> = {}): History {
  const history = new History({ ...LIMITS, ...limits });
  history.begin("e", 0);
  for (let offset = 1; offset <= count; offset++) history.append(message(offset), 0);
  return history;
}

test("returns the messages after a position", () => {
  const history = filled(5);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 3 }, ["BTC.trade"])), [4, 5]);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 0 }, ["BTC.trade"])), [1, 2, 3, 4, 5]);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 5 }, ["BTC.trade"])), []);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 0 }, ["ETH.trade"])), []);
});

test("returns undefined for another epoch, an offset that left the history, and one far in the future", () => {
  const history = filled(20, { maxMessages: 10 });
  assert.equal(since(history, { epoch: "other", offset: 15 }, ["BTC.trade"]), undefined);
  assert.equal(since(history, { epoch: "e", offset: 9 }, ["BTC.trade"]), undefined);
  assert.equal(since(history, { epoch: "e", offset: 10 }, ["BTC.trade"])?.length, 10);
  assert.deepEqual(since(history, { epoch: "e", offset: 25 }, ["BTC.trade"]), [], "another gateway is ahead");
  assert.equal(since(history, { epoch: "e", offset: 1_000_000 }, ["BTC.trade"]), undefined);
});

test("stays within each of its limits", () => {
  assert.deepEqual([filled(20, { maxMessages: 7 }).length, filled(20, { maxMessages: 7 }).floor], [7, 13]);
  const size = message(20).bytes;
  assert.equal(filled(20, { maxBytes: size * 5 }).length, 5);
  const aged = new History(LIMITS);
  aged.begin("e", 0);
  for (let offset = 1; offset <= 60; offset++)
    aged.append(message(offset, "BTC.trade", offset * 1000), offset * 1000);
  assert.deepEqual([aged.floor, aged.length], [29, 31]);
  aged.trim(80_000);
  assert.deepEqual([aged.floor, aged.length], [49, 11]);
  aged.trim(1e9);
  assert.deepEqual([aged.floor, aged.length, aged.bytes, aged.head], [60, 0, 0, 60]);
  assert.deepEqual(since(aged, { epoch: "e", offset: 60 }, ["BTC.trade"]), []);
});

test("the age counts from when a message came, whatever the clock of NATS says", () => {
  const history = new History(LIMITS);
  history.begin("e", 0);
  for (const [offset, ts] of [-3_600_000, 0, 3_600_000].entries()) {
    history.append(message(offset + 1, "BTC.trade", 1e12 + ts), 1000 * offset);
  }
  history.trim(30_000);
  assert.equal(history.length, 3);
  history.trim(31_500);
  assert.equal(history.length, 1);
});

test("a skipped offset moves the head, and the history stays complete", () => {
  const history = filled(3);
  history.skip(4);
  assert.equal(history.head, 4);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 2 }, ["BTC.trade"])), [3]);
});

test("after a loss, positions before it return undefined and later ones do not", () => {
  const history = filled(3);
  history.lose(10);
  history.append(message(11), 0);
  assert.equal(history.epoch, "e");
  assert.equal(since(history, { epoch: "e", offset: 3 }, ["BTC.trade"]), undefined);
  assert.deepEqual(offsets(since(history, { epoch: "e", offset: 10 }, ["BTC.trade"])), [11]);
});

test("another stream starts with an empty history", () => {
  const history = filled(3);
  history.begin("f", 100);
  assert.deepEqual([history.length, history.bytes, history.head, history.floor], [0, 0, 100, 100]);
  assert.equal(since(history, { epoch: "e", offset: 2 }, ["BTC.trade"]), undefined);
  assert.equal(since(history, { epoch: "f", offset: 99 }, ["BTC.trade"]), undefined);
  assert.deepEqual(since(history, { epoch: "f", offset: 100 }, ["BTC.trade"]), []);
});

test("behaves like a plain array, for any sequence, limits, channels and patterns", () => {
  const channels = ["A.x", "A.y", "B.x"];
  const limits = fc.record({
    maxAgeMs: fc.constantFrom(5, 20, 1000),
    maxMessages: fc.constantFrom(3, 10, 1000),
    maxBytes: fc.constantFrom(700, 3000, 1_000_000),
  });
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        channel: fc.constantFrom(...channels),
        gap: fc.integer({ min: 1, max: 3 }),
        wait: fc.nat(3),
        size: fc.nat(80),
      }),
    },
    { weight: 1, arbitrary: fc.record({ skip: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ lose: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ trim: fc.nat(10) }) },
  );
  const wanted = fc.oneof(
    fc.uniqueArray(fc.constantFrom(...channels, "C.x"), { minLength: 1 }),
    fc.uniqueArray(fc.constantFrom(...channels, "A.*", "*.x", "*.*"), { minLength: 1 }),
  );
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 50 }), wanted, (limit, steps, names) => {
      const history = new History(limit);
      history.begin("e", 0);
      let model: Message[] = [];
      let [head, floor, now] = [0, 0, 0];
      const bytes = () => model.reduce((sum, one) => sum + one.bytes, 0);
      const trim = () => {
        for (;;) {
          const [oldest] = model;
          if (oldest === undefined) return;
          const over =
            model.length > limit.maxMessages || bytes() > limit.maxBytes || now - oldest.ts > limit.maxAgeMs;
          if (!over) return;
          floor = oldest.offset;
          model.shift();
        }
      };
      for (const one of steps) {
        if ("skip" in one) {
          head += one.skip;
          history.skip(head);
        } else if ("lose" in one) {
          head += one.lose;
          history.lose(head);
          model = [];
          floor = head;
        } else if ("trim" in one) {
          now += one.trim;
          history.trim(now);
          trim();
        } else {
          now += one.wait;
          head += one.gap;
          const next = message(head, one.channel, now, `"${"x".repeat(one.size)}"`);
          history.append(next, now);
          model.push(next);
          trim();
        }
        assert.deepEqual(
          [history.head, history.floor, history.length, history.bytes],
          [head, floor, model.length, bytes()],
        );
      }
      assert.deepEqual(history.all(), model);
      for (let from = Math.max(0, floor - 1); from <= head + 1; from++) {
        const expected =
          from < floor
            ? undefined
            : model.filter(
                ({ channel, offset }) => offset > from && names.some((name) => covers(name, channel)),
              );
        for (const count of [1, 7]) {
          const found = since(history, { epoch: "e", offset: from }, names, count);
          assert.deepEqual(offsets(found), offsets(expected));
        }
      }
    }),
  );
});

test("messages that left the history can be garbage-collected", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const history = new History({ ...LIMITS, maxMessages: 3 });
  history.begin("e", 0);
  const gone: WeakRef<Message>[] = [];
  for (let offset = 1; offset <= 50; offset++) {
    const one = message(offset);
    gone.push(new WeakRef(one));
    history.append(one, 0);
  }
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds its target until the turn ends
  gc();
  assert.equal(gone.filter((ref) => ref.deref() !== undefined).length, 3);
});

test("a channel with many messages is read in parts too", () => {
  const history = filled(5000);
  const reader = new HistoryReader(history, 100, ["BTC.trade"]);
  assert.equal(reader.next(1000)?.length, 1000);
  assert.equal(reader.done, false);
  assert.equal(since(history, { epoch: "e", offset: 100 }, ["BTC.trade"], 1000)?.length, 4900);
});

test("messages that arrive while the history is read are not read, and messages that leave it are reported", () => {
  const history = filled(10, { maxMessages: 12 });
  const reader = new HistoryReader(history, 4, ["*.*"]);
  assert.deepEqual(offsets(reader.next(3)), [5, 6, 7]);
  history.append(message(11), 0);
  history.append(message(12), 0);
  assert.deepEqual(offsets(reader.next(2)), [8, 9]);
  assert.deepEqual(offsets(reader.next(5)), [10]);
  assert.equal(reader.done, true);
  const late = new HistoryReader(history, 4, ["*.*"]);
  assert.equal(late.next(1)?.length, 1);
  for (let offset = 13; offset <= 20; offset++) history.append(message(offset), 0);
  assert.equal(late.next(1), undefined, "the offsets 6 to 8 are gone");
  const replaced = new HistoryReader(history, 15, ["*.*"]);
  history.begin("f", 0);
  assert.equal(replaced.next(1), undefined);
});
