import assert from "node:assert/strict";
import { test } from "node:test";
import { type Entry, type Journal, Model, type Stored } from "./model.ts";

/** Ten messages on two channels, one every 100 ms. */
const STORED: Stored[] = Array.from({ length: 10 }, (_, n) => ({
  n,
  channel: n % 2 === 0 ? "A.trade" : "B.trade",
  offset: n + 1,
  publishedAt: 100 * n,
  storedAt: 100 * n + 1,
}));
const message = (n: number, late = false): Entry => {
  const { channel, offset, storedAt } = STORED[n] as Stored;
  return { kind: "message", n, channel, offset, at: storedAt + 5, late };
};
const refetch = (at: number, reason = "history"): Entry => ({
  kind: "refetch",
  at,
  reason,
  channels: ["A.trade"],
});
const journal = (entries: Entry[], more: Partial<Journal> = {}): Journal => ({
  who: "client 1",
  channels: ["A.trade"],
  liveAt: -1,
  leftAt: undefined,
  entries,
  ...more,
});
const found = (entries: Entry[], more: Partial<Journal> = {}, losses: number[] = []) =>
  new Model(STORED, losses).check(journal(entries, more)).map(({ what }) => what);

test("each message once, in order: nothing to report", () => {
  assert.deepEqual(found([0, 2, 4, 6, 8].map((n) => message(n))), []);
  const both = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => message(n));
  assert.deepEqual(found(both, { channels: ["A.trade", "B.trade"] }), []);
  assert.deepEqual(found([message(4), message(6), message(8)], { liveAt: 350 }), [], "joined later");
  assert.deepEqual(found([0, 2, 6, 4, 8].map((n) => message(n, n === 4))), [], "a late message");
});

test("a message that is missing, comes twice, behind a newer one, or on a wrong channel", () => {
  const missing = "message 4 of A.trade is missing, and nothing was reported";
  assert.deepEqual(found([0, 2, 6, 8].map((n) => message(n))), [missing]);
  assert.deepEqual(found([0, 2, 2, 4, 6, 8].map((n) => message(n))), ["message 2 of A.trade came twice"]);
  assert.deepEqual(found([0, 4, 2, 6, 8].map((n) => message(n))), [
    "message 2 of A.trade came behind message 4",
  ]);
  assert.deepEqual(found([0, 1, 2, 4, 6, 8].map((n) => message(n))), [
    "message 1 of B.trade was not subscribed",
  ]);
  assert.deepEqual(found([0, 2, 4, 6].map((n) => message(n)).concat({ ...message(8), offset: 8 } as Entry)), [
    "message 8 came as A.trade 8, but is A.trade 9",
  ]);
  assert.deepEqual(found([], { liveAt: undefined }), ["A.trade never became live"]);
});

test("a loss must be reported before the first message behind the loss, and not before it happened", () => {
  const losses = [390];
  const [zero, two, six, eight] = [0, 2, 6, 8].map((n) => message(n)) as [Entry, Entry, Entry, Entry];
  assert.deepEqual(found([zero, two, refetch(500), six, eight], {}, losses), []);
  assert.deepEqual(found([zero, two, six, refetch(607), eight], {}, losses), [
    "message 4 of A.trade is missing, and the loss was reported behind the next message",
  ]);
  assert.deepEqual(found([zero, refetch(395), two, six, eight], {}, losses), [
    "message 4 of A.trade is missing, and nothing was reported",
  ]);
});

test("a report of a loss needs a loss, or an absence that is longer than the history", () => {
  const all = [0, 2, 4, 6, 8].map((n) => message(n));
  const wrong = ["refetch (history), although no message was lost"];
  const settled = (at: number): Entry => ({ kind: "settled", at });
  assert.deepEqual(found([...all, refetch(900)]), wrong);
  assert.deepEqual(found([...all, refetch(900)], {}, [850]), []);
  assert.deepEqual(found([...all, refetch(40_000)], {}, [850]), [], "away for 40 s");
  assert.deepEqual(found([...all, settled(30_000), refetch(40_000)], {}, [850]), wrong);
  assert.deepEqual(found([...all, settled(30_000), refetch(40_000)], {}, [39_000]), []);
  assert.deepEqual(found([...all, settled(2_000), refetch(40_000)], {}, [850]), []);
});

test("patterns: each channel that they cover", () => {
  const both = [0, 1, 2, 4, 5, 6, 7, 8, 9].map((n) => message(n));
  assert.deepEqual(found(both, { channels: ["*.trade", "A.*", "A.trade"] }), [
    "message 3 of B.trade is missing, and nothing was reported",
  ]);
  assert.deepEqual(found([message(1)], { channels: ["A.*"], liveAt: 2000 }), [
    "message 1 of B.trade was not subscribed",
  ]);
});

test("a throttled client may learn of a loss behind the next message", () => {
  const [zero, two, six, eight] = [0, 2, 6, 8].map((n) => message(n)) as [Entry, Entry, Entry, Entry];
  const throttled: Entry = { kind: "throttled", at: 300 };
  assert.deepEqual(found([zero, two, throttled, six, eight, refetch(900)], {}, [390]), []);
});

test("while the run lasts, only what has had its time is missing", () => {
  const model = new Model(STORED, []);
  const some = journal([0, 2, 6].map((n) => message(n)));
  assert.deepEqual(model.check(some, 1000), []);
  assert.equal(model.check(some, 100_000).length, 1, "message 4; the last one may still come");
  assert.deepEqual(model.check(journal([], { liveAt: undefined }), 1000), []);
});
