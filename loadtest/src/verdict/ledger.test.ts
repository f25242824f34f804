import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ledger } from "./ledger.ts";

const entry = (offset: number, hash = "h", channel = "A.b") => ({ offset, channel, hash });
const offsets = (audit: { entries: { offset: number }[] } | undefined) =>
  audit?.entries.map(({ offset }) => offset);

describe("ledger", () => {
  test("what one worker saw is due to the clients of all, once and after its time", () => {
    const ledger = new Ledger();
    ledger.saw([entry(1), entry(2)], "e", 0);
    ledger.saw([entry(2), entry(3)], "e", 1000);
    assert.equal(ledger.take(-1, 1000), undefined);
    assert.deepEqual(offsets(ledger.take(0, 3000)), [1, 2]);
    assert.equal(ledger.take(0, 3000), undefined);
    assert.deepEqual(offsets(ledger.takeUpTo(3, 3000)), [3]);
    assert.equal(ledger.count, 3);
  });

  test("what was published is due although nobody has seen it", () => {
    const ledger = new Ledger();
    ledger.stored(5, "A.b", 0);
    ledger.saw([entry(5)], "e", 0);
    ledger.stored(6, "A.b", 0);
    assert.deepEqual(offsets(ledger.take(0, 0)), [5, 6]);
    assert.deepEqual([ledger.published, ledger.conflicts, ledger.last], [2, [], 6]);
  });

  test("workers that were told different things about an offset", () => {
    const ledger = new Ledger();
    ledger.saw([entry(1), entry(2)], "e", 0);
    ledger.saw([entry(1, "other")], "e", 0);
    ledger.saw([entry(2, "h", "C.d")], "e", 0);
    assert.equal(ledger.conflicts.length, 2);
  });

  test("another epoch is another ledger", () => {
    const ledger = new Ledger();
    ledger.saw([entry(1)], "e", 0);
    ledger.saw([entry(1, "other")], "f", 0);
    assert.deepEqual(ledger.conflicts, []);
    assert.deepEqual(offsets(ledger.takeUpTo(9, 0)), [1]);
  });
});
