import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DeliveryTracker, type OffsetLookup } from "./delivery-tracker.ts";

const audited = new Set<number>();
/** Channel A has the even offsets, channel B the odd ones. */
const lookup: OffsetLookup = {
  channelOf: (offset) => (offset % 2 === 0 ? "A" : "B"),
  audited: (offset) => audited.has(offset),
};
function started(offset = 0): DeliveryTracker {
  audited.clear();
  const tracker = new DeliveryTracker();
  tracker.start(offset);
  return tracker;
}
/** Receives these offsets with consecutive numbers from `seq`. */
function receive(tracker: DeliveryTracker, offsets: readonly number[], seq = tracker.seq + 1): unknown[] {
  return offsets.flatMap((offset, index) => tracker.receive(seq + index, offset, lookup) ?? []);
}
const kinds = (faults: unknown[]) => faults.map((fault) => (fault as { kind?: string }).kind ?? "gap");
const NOTHING = { lost: [], dropped: 0, unexpected: [] };

describe("delivery tracker", () => {
  test("counts nothing when everything arrives in order", () => {
    const tracker = started(10);
    assert.deepEqual(receive(tracker, [11, 12, 14]), []);
    tracker.audit([9, 11, 12], 12);
    tracker.audit([14], 15);
    assert.deepEqual(tracker.summary(false), NOTHING);
    assert.equal(tracker.resumeOffset, 14);
  });

  test("counts a message that never arrives as lost, even without a gap in the numbers", () => {
    const tracker = started();
    receive(tracker, [1, 3]);
    tracker.audit([1, 2, 3], 3);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, lost: [2] });
  });

  test("counts the last message as lost, too", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.audit([1, 2], 2);
    assert.deepEqual(tracker.summary(false).lost, [2]);
    assert.deepEqual(tracker.summary(true).lost, [], "not for a client that has left");
  });

  test("does not count a message as lost that arrives after its audit", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.audit([1, 2], 2);
    assert.deepEqual(receive(tracker, [2]), []);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("detects a repeated number, and a repeated offset under another number, also after its audit", () => {
    const tracker = started();
    assert.deepEqual(kinds([...receive(tracker, [1, 2]), ...receive(tracker, [2], 2)]), ["duplicate"]);
    assert.deepEqual(kinds(receive(tracker, [1])), ["duplicate"]);
    tracker.audit([1, 2], 2);
    audited.add(1).add(2);
    assert.deepEqual(kinds(receive(tracker, [2])), ["duplicate"]);
  });

  test("checks the order on each channel separately", () => {
    const tracker = started();
    assert.deepEqual(receive(tracker, [2, 1]), [], "the two offsets belong to different channels");
    assert.deepEqual(kinds(receive(tracker, [6, 4])), ["reorder"]);
  });

  test("detects wrong order of a message that an audit counted as missing", () => {
    const tracker = started(3);
    receive(tracker, [6]);
    tracker.audit([4, 6], 6);
    assert.deepEqual(kinds(receive(tracker, [4])), ["reorder"]);
    assert.deepEqual(tracker.summary(false), NOTHING, "a late message is not lost");
  });

  test("checks the order from the start on a new connection, also of the messages that a resume sends", () => {
    const tracker = started();
    receive(tracker, [2]);
    tracker.receive(3, 8, lookup); // the second is missing
    tracker.reconnected();
    assert.deepEqual(receive(tracker, [4, 6], 1), []);
    assert.deepEqual(kinds(receive(tracker, [10, 8])), ["reorder"]);
  });

  test("accepts messages behind newer ones if they were requested on a connection that stayed open", () => {
    const tracker = started();
    receive(tracker, [2, 8]);
    tracker.requestedAgain(2);
    assert.deepEqual(receive(tracker, [10, 4, 6]), []);
    assert.deepEqual(kinds(receive(tracker, [14, 12])), ["reorder"], "other messages must still be in order");
  });

  test("reports a gap, and accepts the messages that fill it", () => {
    const tracker = started();
    receive(tracker, [1]);
    assert.deepEqual(tracker.receive(4, 6, lookup), { from: 2, to: 3 });
    assert.equal(tracker.missingSeqs, 2);
    assert.equal(tracker.resumeOffset, 1, "the client would resume from before the gap");
    assert.deepEqual([tracker.receive(2, 2, lookup), tracker.receive(3, 4, lookup)], [undefined, undefined]);
    assert.equal(tracker.resumeOffset, 6);
    tracker.audit([1, 2, 4, 6], 6);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("reports a gap at the end of the numbers", () => {
    const tracker = started();
    receive(tracker, [1]);
    assert.deepEqual(tracker.advanceSeq(2), { from: 2, to: 2 });
    assert.equal(tracker.advanceSeq(2), undefined);
  });

  test("accepts that a resume sends the missed messages, and again those that arrived after a gap", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.receive(3, 3, lookup); // the second is missing
    tracker.audit([1, 2, 3, 4], 4);
    for (const offset of [1, 2, 3, 4]) audited.add(offset);
    assert.equal(tracker.resumeOffset, 1);
    tracker.reconnected();
    assert.deepEqual(receive(tracker, [2, 3, 4, 5], 1), []);
    tracker.audit([5], 5);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("resumes a client with silent channels from the offset in the gateway's last answer", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.advanceOffset(50);
    assert.equal(tracker.resumeOffset, 50);
    tracker.receive(3, 60, lookup); // the second is missing
    tracker.advanceOffset(70);
    assert.equal(tracker.resumeOffset, 50, "the offset stays while a number is missing");
  });

  test("counts reported drops apart from losses, and expects them again after a recovery", () => {
    const tracker = started();
    tracker.dropsBegan(1);
    receive(tracker, [1, 4]);
    tracker.audit([1, 2, 3, 4], 4);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, dropped: 2 });
    tracker.requestedAgain(1);
    tracker.dropsEnded(true);
    assert.deepEqual(receive(tracker, [2, 3]), []);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("counts reported drops as lost if the gateway promised to recover them and did not", () => {
    const tracker = started();
    tracker.dropsBegan(1);
    receive(tracker, [1, 4]);
    tracker.audit([1, 2, 3, 4], 4);
    tracker.dropsEnded(true);
    assert.deepEqual(tracker.summary(false).lost, [2, 3]);
  });

  test("reports messages of channels without a subscription as unexpected", () => {
    const tracker = started();
    receive(tracker, [1, 2]);
    tracker.audit([1], 2);
    assert.deepEqual(tracker.summary(false).unexpected, [2]);
  });

  test("property: exactly the missing messages are lost, and exactly the messages behind a newer one of their channel are out of order", () => {
    const step = fc.record({
      fate: fc.constantFrom("arrives", "arrives", "arrives", "lost", "late"),
      audit: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tracker = started();
        const [lost, late]: number[][] = [[], []];
        const newest: Record<string, number> = {};
        let expected: number[] = [];
        for (const [index, { fate, audit }] of steps.entries()) {
          const offset = index + 1;
          expected.push(offset);
          if (fate === "arrives") {
            assert.deepEqual(receive(tracker, [offset]), []);
            newest[lookup.channelOf(offset) as string] = offset;
          } else (fate === "late" ? late : lost)?.push(offset);
          if (!audit) continue;
          tracker.audit(expected, offset);
          expected = [];
        }
        tracker.audit(expected, steps.length);
        for (const offset of late ?? []) {
          const channel = lookup.channelOf(offset) as string;
          const early = offset > (newest[channel] ?? 0);
          assert.deepEqual(kinds(receive(tracker, [offset])), early ? [] : ["reorder"]);
          if (early) newest[channel] = offset;
        }
        tracker.audit([], steps.length + 1);
        assert.deepEqual(tracker.summary(false), { ...NOTHING, lost });
      }),
    );
  });
});
