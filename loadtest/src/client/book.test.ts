import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sealed } from "../traffic/payload.ts";
import type { FeedKind } from "../traffic/plan.ts";
import { Book, BrokenContent } from "./book.ts";

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
function reader(kind: FeedKind) {
  const book = new Book(kind);
  // Not at the begin of the buffer, as in a chunk of several frames.
  const read = (text: string, now = 0) => {
    const bytes = Buffer.from(`....${text}....`);
    return book.read(bytes, 4, bytes.length - 4, now);
  };
  return { book, read };
}

describe("book of messages", () => {
  test("the first copy is read, the others are compared with it", () => {
    const { book, read } = reader("market");
    const first = read(envelope(1, 7, { price: 1 }));
    const second = read(envelope(4711, 7, { price: 1 }));
    assert.deepEqual([first.seq, first.offset, first.known.sinceMicros], [1, 7, 1_007_000]);
    assert.equal(second.seq, 4711);
    assert.equal(second.known, first.known);
    assert.equal(book.channelOf(7), "BTC.trade");
    assert.deepEqual(
      book.takeNews(0).map(({ offset, channel }) => [offset, channel]),
      [[7, "BTC.trade"]],
    );
    assert.deepEqual(book.takeNews(0), []);
  });

  test("one byte that differs between clients is found", () => {
    const { read } = reader("market");
    read(envelope(1, 7, { price: 1 }));
    assert.throws(() => read(envelope(2, 7, { price: 2 })), /offset 7 differs between clients/);
    assert.throws(() => read(envelope(2, 7, { price: 1 }, "ETH.trade")), BrokenContent);
    assert.throws(() => read(envelope(2, 7, { price: 10 })), BrokenContent);
  });

  test("broken envelopes are told", () => {
    const { read } = reader("market");
    assert.throws(() => read('{"seq":1,"offset":7,"ts":1'), /no JSON/);
    assert.throws(() => read('{"seq":1,"ts":1,"channel":"A.b"}'), /without seq and offset/);
    assert.throws(() => read('{"seq":1,"offset":7,"ts":1,"type":"a"}'), /without channel/);
  });

  test("own messages carry their hash: one that was altered for everybody is found", () => {
    const { read } = reader("own");
    const data = sealed({ n: 3, due: 5_000_000 }, { price: 64_000.5, name: "ö" });
    const good = envelope(1, 7, data);
    assert.equal(read(good).known.sinceMicros, 5_000_000);
    assert.throws(
      () => read(good.replace('"offset":7', '"offset":8').replace("64000.5", "64000.6")),
      /offset 8 was altered: its hash/,
    );
    assert.throws(() => read(envelope(1, 9, { price: 1 })), /it has no hash/);
  });

  test("what is old is forgotten", () => {
    const { book, read } = reader("market");
    read(envelope(1, 7, 1), 0);
    read(envelope(2, 8, 1), 100_000);
    book.takeNews(130_000);
    assert.equal(book.channelOf(7), undefined);
    assert.equal(book.channelOf(8), "BTC.trade");
  });
});
