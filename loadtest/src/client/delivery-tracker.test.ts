import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { DeliveryTracker, type OffsetLookup, type Wishes } from "./delivery-tracker.ts";

const audited = new Set<number>();
/** Channel A has the even offsets, channel B the odd ones. */
const lookup: OffsetLookup = {
  channelOf: (offset) => (offset % 2 === 0 ? "A" : "B"),
  audited: (offset) => audited.has(offset),
  newestAudited: () => newestAudited,
};
const newestAudited = new Map<string, number>();
function started(offset = 0, wishes?: Wishes): DeliveryTracker {
  audited.clear();
  newestAudited.clear();
  const tracker = new DeliveryTracker(wishes);
  tracker.start(offset, lookup);
  return tracker;
}
/** Receives these offsets with consecutive numbers from `seq`. */
function receive(tracker: DeliveryTracker, offsets: readonly number[], seq = tracker.seq + 1): unknown[] {
  return offsets.flatMap((offset, index) => tracker.receive(seq + index, offset, lookup) ?? []);
}
const kinds = (faults: unknown[]) => faults.map((fault) => (fault as { kind?: string }).kind ?? "gap");
const NOTHING = { lost: [], dropped: 0, leftOut: 0, unexpected: [] };

describe("delivery tracker", () => {
  test("counts nothing when everything arrives in order", () => {
    const tracker = started(10);
    assert.deepEqual(receive(tracker, [11, 12, 14]), []);
    tracker.audit([9, 11, 12], 12, lookup.channelOf);
    tracker.audit([14], 15, lookup.channelOf);
    assert.deepEqual(tracker.summary(false), NOTHING);
    assert.equal(tracker.resumeOffset, 14);
  });

  test("counts a message that never arrives as lost, even without a gap in the numbers", () => {
    const tracker = started();
    receive(tracker, [1, 3]);
    tracker.audit([1, 2, 3], 3, lookup.channelOf);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, lost: [2] });
  });

  test("counts the last message as lost, too", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.audit([1, 2], 2, lookup.channelOf);
    assert.deepEqual(tracker.summary(false).lost, [2]);
    assert.deepEqual(tracker.summary(true).lost, [], "not for a client that has left");
  });

  test("does not count a message as lost that arrives after its audit", () => {
    const tracker = started();
    receive(tracker, [1]);
    tracker.audit([1, 2], 2, lookup.channelOf);
    assert.deepEqual(receive(tracker, [2]), []);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("detects a repeated number, and a repeated offset under another number, also after its audit", () => {
    const tracker = started();
    assert.deepEqual(kinds([...receive(tracker, [1, 2]), ...receive(tracker, [2], 2)]), ["duplicate"]);
    assert.deepEqual(kinds(receive(tracker, [1])), ["duplicate"]);
    tracker.audit([1, 2], 2, lookup.channelOf);
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
    tracker.audit([4, 6], 6, lookup.channelOf);
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
    tracker.audit([1, 2, 4, 6], 6, lookup.channelOf);
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
    tracker.audit([1, 2, 3, 4], 4, lookup.channelOf);
    for (const offset of [1, 2, 3, 4]) audited.add(offset);
    assert.equal(tracker.resumeOffset, 1);
    tracker.reconnected();
    assert.deepEqual(receive(tracker, [2, 3, 4, 5], 1), []);
    tracker.audit([5], 5, lookup.channelOf);
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
    tracker.audit([1, 2, 3, 4], 4, lookup.channelOf);
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
    tracker.audit([1, 2, 3, 4], 4, lookup.channelOf);
    tracker.dropsEnded(true);
    assert.deepEqual(tracker.summary(false).lost, [2, 3]);
  });

  test("reports messages of channels without a subscription as unexpected", () => {
    const tracker = started();
    receive(tracker, [1, 2]);
    tracker.audit([1], 2, lookup.channelOf);
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
          tracker.audit(expected, offset, lookup.channelOf);
          expected = [];
        }
        tracker.audit(expected, steps.length, lookup.channelOf);
        for (const offset of late ?? []) {
          const channel = lookup.channelOf(offset) as string;
          const early = offset > (newest[channel] ?? 0);
          assert.deepEqual(kinds(receive(tracker, [offset])), early ? [] : ["reorder"]);
          if (early) newest[channel] = offset;
        }
        tracker.audit([], steps.length + 1, lookup.channelOf);
        assert.deepEqual(tracker.summary(false), { ...NOTHING, lost });
      }),
    );
  });
});

describe("delivery tracker of a client for which the newest message counts", () => {
  const newestWins = true;

  test("a message that a newer one of its channel has replaced is left out, and not lost", () => {
    const tracker = started(0, { newestWins });
    receive(tracker, [2, 8, 9]);
    tracker.audit([2, 4, 6, 8, 9], 9, lookup.channelOf);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, leftOut: 2 });
  });

  test("the newest message of each channel must come", () => {
    const tracker = started(0, { newestWins });
    receive(tracker, [2, 9]);
    tracker.audit([2, 4, 6, 7, 9], 9, lookup.channelOf);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, lost: [4, 6], leftOut: 1 });
  });

  test("the newest message may come after the audit, and on the next connection as a last value", () => {
    const tracker = started(0, { newestWins });
    receive(tracker, [2]);
    tracker.audit([2, 4, 6, 7], 7, lookup.channelOf);
    receive(tracker, [6]);
    tracker.advanceOffset(7);
    tracker.reconnected();
    assert.equal(
      tracker.receiveLast(1, 6, lookup),
      undefined,
      "the client has it from the earlier connection",
    );
    assert.equal(tracker.receiveLast(2, 7, lookup), undefined);
    assert.deepEqual(tracker.summary(false), { ...NOTHING, leftOut: 1 });
  });

  test("order and duplicates are checked as ever", () => {
    const tracker = started(0, { newestWins });
    assert.deepEqual(kinds(receive(tracker, [2, 6, 4])), ["reorder"]);
    assert.deepEqual(kinds(receive(tracker, [6])), ["duplicate"]);
  });
});

describe("delivery tracker of a client with last values", () => {
  /** A client that connects when audits know these messages, with these last values. Due: all above 10. */
  function withLast(newest: [string, number][], last: number[]): DeliveryTracker {
    audited.clear();
    newestAudited.clear();
    for (const [channel, offset] of newest) newestAudited.set(channel, offset);
    const tracker = new DeliveryTracker({ last: true });
    for (const offset of last) assert.equal(tracker.receiveLast(tracker.seq + 1, offset, lookup), undefined);
    tracker.start(10, lookup);
    return tracker;
  }

  test("the newest message of each channel, or a newer one, is due", () => {
    const known: [string, number][] = [
      ["A", 4],
      ["B", 7],
    ];
    assert.deepEqual(withLast(known, [4, 7]).summary(false), NOTHING);
    assert.deepEqual(withLast(known, [6, 9]).summary(false), NOTHING, "newer than what audits know");
    assert.deepEqual(withLast(known, [4, 5]).summary(false).lost, [7], "an older value");
    assert.deepEqual(withLast(known, [4]).summary(false).lost, [7], "no value");
  });

  test("a last value that is older than a message that others got before the subscription is found", () => {
    const tracker = withLast([], [4, 7]);
    receive(tracker, [12]);
    tracker.audit([2, 4, 6, 7, 12], 12, lookup.channelOf);
    assert.deepEqual(tracker.summary(false).lost, [6]);
  });

  test("last values may come after the answer to the first heartbeat", () => {
    const tracker = withLast([["A", 4]], []);
    assert.equal(tracker.receiveLast(1, 6, lookup), undefined);
    assert.deepEqual(tracker.summary(false), NOTHING);
  });

  test("a message that this connection has had does not come again", () => {
    const tracker = withLast([], [4]);
    receive(tracker, [12]);
    assert.deepEqual(kinds([tracker.receiveLast(3, 12, lookup)]), ["duplicate"]);
  });
});
