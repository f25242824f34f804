import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seal } from "../traffic/payload.ts";
import type { FeedKind } from "../traffic/plan.ts";
import { ContentError, MessageIndex } from "./message-index.ts";

function envelope(seq: number, offset: number, data: unknown, channel = "BTC.trade"): string {
  return JSON.stringify({
    seq,
    offset,
    ts: 1000 + offset,
    type: "price:update",
    priority: "high",
    channel,
    data,
  });
}
function indexOf(kind: FeedKind) {
  const index = new MessageIndex(kind);
  // The envelope does not start at the start of the buffer, as in a chunk of several frames.
  const read = (text: string, nowMs = 0) => {
    const bytes = Buffer.from(`....${text}....`);
    return index.read(bytes, 4, bytes.length - 4, nowMs);
  };
  return { index, read };
}

describe("message index", () => {
  test("parses the first copy of a message and compares the others with it", () => {
    const { index, read } = indexOf("market");
    const first = read(envelope(1, 7, { price: 1 }));
    const second = read(envelope(4711, 7, { price: 1 }));
    assert.deepEqual([first.seq, first.offset, first.message.dueMicros], [1, 7, 1_007_000]);
    assert.equal(second.seq, 4711);
    assert.equal(second.message, first.message);
    assert.equal(index.channelOf(7), "BTC.trade");
    assert.deepEqual(
      index.takeNew(0).map(({ offset, channel }) => [offset, channel]),
      [[7, "BTC.trade"]],
    );
    assert.deepEqual(index.takeNew(0), []);
  });

  test("detects a single byte that differs between clients", () => {
    const { read } = indexOf("market");
    read(envelope(1, 7, { price: 1 }));
    assert.throws(() => read(envelope(2, 7, { price: 2 })), /offset 7 differs between clients/);
    assert.throws(() => read(envelope(2, 7, { price: 1 }, "ETH.trade")), ContentError);
    assert.throws(() => read(envelope(2, 7, { price: 10 })), ContentError);
  });

  test("a last value is compared without its mark", () => {
    const { read } = indexOf("market");
    const asLast = (text: string) => text.replace(/("offset":\d+)/, '$1,"last":true');
    const live = read(envelope(1, 7, { price: 1 }));
    const last = read(asLast(envelope(2, 7, { price: 1 })));
    assert.deepEqual([live.isLast, last.isLast, last.seq], [false, true, 2]);
    assert.equal(last.message, live.message);
    assert.throws(() => read(asLast(envelope(3, 7, { price: 2 }))), /offset 7 differs between clients/);
    assert.equal(
      read(asLast(envelope(4, 8, { price: 3 }))).message,
      read(envelope(5, 8, { price: 3 })).message,
    );
  });

  test("detects malformed envelopes", () => {
    const { read } = indexOf("market");
    assert.throws(() => read('{"seq":1,"offset":7,"ts":1'), /is not JSON/);
    assert.throws(() => read('{"seq":1,"ts":1,"channel":"A.b"}'), /does not start with seq and offset/);
    assert.throws(() => read('{"seq":1,"offset":7,"ts":1,"type":"a"}'), /lacks channel/);
  });

  test("detects by the hash that an own message was altered for all clients", () => {
    const { read } = indexOf("own");
    const data = seal({ n: 3, due: 5_000_000 }, { price: 64_000.5, name: "ö" });
    const good = envelope(1, 7, data);
    assert.equal(read(good).message.dueMicros, 5_000_000);
    assert.throws(
      () => read(good.replace('"offset":7', '"offset":8').replace("64000.5", "64000.6")),
      /offset 8 was altered: its hash/,
    );
    assert.throws(() => read(envelope(1, 9, { price: 1 })), /no hash at its end/);
  });

  test("forgets old messages", () => {
    const { index, read } = indexOf("market");
    read(envelope(1, 7, 1), 0);
    read(envelope(2, 8, 1), 100_000);
    index.takeNew(130_000);
    assert.equal(index.channelOf(7), undefined);
    assert.equal(index.channelOf(8), "BTC.trade");
  });
});
