import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Account, type Lookup } from "./account.ts";

const audited = new Set<number>();
/** Even offsets are of channel A, odd ones of B. */
const lookup: Lookup = {
  channelOf: (offset) => (offset % 2 === 0 ? "A" : "B"),
  audited: (offset) => audited.has(offset),
};
function started(offset = 0): Account {
  audited.clear();
  const account = new Account();
  account.begin(offset);
  return account;
}
/** Gives it these offsets, numbered from `seq`. */
function take(account: Account, offsets: readonly number[], seq = account.seq + 1): unknown[] {
  return offsets.flatMap((offset, index) => account.take(seq + index, offset, lookup) ?? []);
}
const kinds = (faults: unknown[]) => faults.map((fault) => (fault as { kind?: string }).kind ?? "gap");
const NOTHING = { lost: [], announced: 0, unexpected: [] };

describe("account of one client", () => {
  test("everything in its place leaves nothing open", () => {
    const account = started(10);
    assert.deepEqual(take(account, [11, 12, 14]), []);
    account.audit([9, 11, 12], 12);
    account.audit([14], 15);
    assert.deepEqual(account.balance(false), NOTHING);
    assert.equal(account.position, 14);
  });

  test("a message that never comes is lost, though its number is not missing", () => {
    const account = started();
    take(account, [1, 3]);
    account.audit([1, 2, 3], 3);
    assert.deepEqual(account.balance(false), { ...NOTHING, lost: [2] });
  });

  test("the last message is lost, too", () => {
    const account = started();
    take(account, [1]);
    account.audit([1, 2], 2);
    assert.deepEqual(account.balance(false).lost, [2]);
    assert.deepEqual(account.balance(true).lost, [], "but not for who has left");
  });

  test("what comes after its audit is not lost", () => {
    const account = started();
    take(account, [1]);
    account.audit([1, 2], 2);
    assert.deepEqual(take(account, [2]), []);
    assert.deepEqual(account.balance(false), NOTHING);
  });

  test("repetitions: of a number, and of an offset under another number, also after its audit", () => {
    const account = started();
    assert.deepEqual(kinds([...take(account, [1, 2]), ...take(account, [2], 2)]), ["duplicate"]);
    assert.deepEqual(kinds(take(account, [1])), ["duplicate"]);
    account.audit([1, 2], 2);
    audited.add(1).add(2);
    assert.deepEqual(kinds(take(account, [2])), ["duplicate"]);
  });

  test("order is per channel", () => {
    const account = started();
    assert.deepEqual(take(account, [2, 1]), [], "other channels");
    assert.deepEqual(kinds(take(account, [6, 4])), ["reorder"]);
  });

  test("order counts after an audit that missed the message as well", () => {
    const account = started(3);
    take(account, [6]);
    account.audit([4, 6], 6);
    assert.deepEqual(kinds(take(account, [4])), ["reorder"]);
    assert.deepEqual(account.balance(false), NOTHING, "late is not lost");
  });

  test("order begins anew with a connection, and holds in what a resume brings", () => {
    const account = started();
    take(account, [2]);
    account.take(3, 8, lookup); // the second is missing
    account.reconnected();
    assert.deepEqual(take(account, [4, 6], 1), []);
    assert.deepEqual(kinds(take(account, [10, 8])), ["reorder"]);
  });

  test("what was asked for on a connection that goes on may come behind newer messages", () => {
    const account = started();
    take(account, [2, 8]);
    account.refill(2);
    assert.deepEqual(take(account, [10, 4, 6]), []);
    assert.deepEqual(kinds(take(account, [14, 12])), ["reorder"], "but only that");
  });

  test("a gap is asked for and filled without a fault", () => {
    const account = started();
    take(account, [1]);
    assert.deepEqual(account.take(4, 6, lookup), { from: 2, to: 3 });
    assert.equal(account.open, 2);
    assert.equal(account.position, 1, "it resumes from before the gap");
    assert.deepEqual([account.take(2, 2, lookup), account.take(3, 4, lookup)], [undefined, undefined]);
    assert.equal(account.position, 6);
    account.audit([1, 2, 4, 6], 6);
    assert.deepEqual(account.balance(false), NOTHING);
  });

  test("the end of the numbers is a gap as well", () => {
    const account = started();
    take(account, [1]);
    assert.deepEqual(account.given(2), { from: 2, to: 2 });
    assert.equal(account.given(2), undefined);
  });

  test("a resume brings what was missed, and what came behind a gap once more", () => {
    const account = started();
    take(account, [1]);
    account.take(3, 3, lookup); // the second is missing
    account.audit([1, 2, 3, 4], 4);
    for (const offset of [1, 2, 3, 4]) audited.add(offset);
    assert.equal(account.position, 1);
    account.reconnected();
    assert.deepEqual(take(account, [2, 3, 4, 5], 1), []);
    account.audit([5], 5);
    assert.deepEqual(account.balance(false), NOTHING);
  });

  test("a client whose channels are silent resumes from where the gateway says it is", () => {
    const account = started();
    take(account, [1]);
    account.reached(50);
    assert.equal(account.position, 50);
    account.take(3, 60, lookup); // the second is missing
    account.reached(70);
    assert.equal(account.position, 50, "not while something is missing");
  });

  test("left out with notice is announced, not lost; made good it has to come", () => {
    const account = started();
    account.leftOut(1);
    take(account, [1, 4]);
    account.audit([1, 2, 3, 4], 4);
    assert.deepEqual(account.balance(false), { ...NOTHING, announced: 2 });
    account.refill(1);
    account.madeGood(true);
    assert.deepEqual(take(account, [2, 3]), []);
    assert.deepEqual(account.balance(false), NOTHING);
  });

  test("a promise to make good that is not kept is a loss", () => {
    const account = started();
    account.leftOut(1);
    take(account, [1, 4]);
    account.audit([1, 2, 3, 4], 4);
    account.madeGood(true);
    assert.deepEqual(account.balance(false).lost, [2, 3]);
  });

  test("what was not asked for is unexpected", () => {
    const account = started();
    take(account, [1, 2]);
    account.audit([1], 2);
    assert.deepEqual(account.balance(false).unexpected, [2]);
  });

  test("any drops, late arrivals and audits: exactly what was dropped is lost, and what came behind a later one of its channel is told", () => {
    const step = fc.record({
      fate: fc.constantFrom("comes", "comes", "comes", "dropped", "late"),
      audit: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const account = started();
        const [dropped, late]: number[][] = [[], []];
        const newest: Record<string, number> = {};
        let expected: number[] = [];
        for (const [index, { fate, audit }] of steps.entries()) {
          const offset = index + 1;
          expected.push(offset);
          if (fate === "comes") {
            assert.deepEqual(take(account, [offset]), []);
            newest[lookup.channelOf(offset) as string] = offset;
          } else (fate === "late" ? late : dropped)?.push(offset);
          if (!audit) continue;
          account.audit(expected, offset);
          expected = [];
        }
        account.audit(expected, steps.length);
        for (const offset of late ?? []) {
          const channel = lookup.channelOf(offset) as string;
          const early = offset > (newest[channel] ?? 0);
          assert.deepEqual(kinds(take(account, [offset])), early ? [] : ["reorder"]);
          if (early) newest[channel] = offset;
        }
        account.audit([], steps.length + 1);
        assert.deepEqual(account.balance(false), { ...NOTHING, lost: dropped });
      }),
    );
  });
});
