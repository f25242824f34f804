import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Audit, ExpectedMessages } from "./expected-messages.ts";

const message = (offset: number, hash = "h", channel = "A.b") => ({ offset, channel, hash });
const offsets = (audit: Audit | undefined) => audit?.messages.map(({ offset }) => offset);

describe("expected messages", () => {
  test("what one worker received is due to the clients of all workers, once and after a delay", () => {
    const expected = new ExpectedMessages();
    expected.addReceived([message(1), message(2)], "e", 0);
    expected.addReceived([message(2), message(3)], "e", 1000);
    assert.equal(expected.takeOlderThan(-1, 1000), undefined);
    assert.deepEqual(offsets(expected.takeOlderThan(0, 3000)), [1, 2]);
    assert.equal(expected.takeOlderThan(0, 3000), undefined);
    assert.deepEqual(offsets(expected.takeUpTo(3, 3000)), [3]);
    assert.equal(expected.count, 3);
  });

  test("what was published is due even if no client received it", () => {
    const expected = new ExpectedMessages();
    expected.addStored(5, "A.b", 0);
    expected.addReceived([message(5)], "e", 0);
    expected.addStored(6, "A.b", 0);
    assert.deepEqual(offsets(expected.takeOlderThan(0, 0)), [5, 6]);
    assert.deepEqual([expected.published, expected.conflicts, expected.lastOffset], [2, [], 6]);
  });

  test("detects that a message differs between workers", () => {
    const expected = new ExpectedMessages();
    expected.addReceived([message(1), message(2)], "e", 0);
    expected.addReceived([message(1, "other")], "e", 0);
    expected.addReceived([message(2, "h", "C.d")], "e", 0);
    assert.equal(expected.conflicts.length, 2);
  });

  test("starts again with a new epoch", () => {
    const expected = new ExpectedMessages();
    expected.addReceived([message(1)], "e", 0);
    expected.addReceived([message(1, "other")], "f", 0);
    assert.deepEqual(expected.conflicts, []);
    assert.deepEqual(offsets(expected.takeUpTo(9, 0)), [1]);
  });
});
