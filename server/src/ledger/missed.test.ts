import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Missed } from "./missed.ts";

test("counts dropped messages until they are announced, and remembers the offset before the first one", () => {
  const missed = new Missed();
  for (const offset of [11, 14, 20]) missed.add(offset);
  assert.deepEqual([missed.count, missed.since, missed.size], [3, 10, 3]);
  missed.announced();
  assert.deepEqual([missed.count, missed.size], [0, 3]);
  missed.add(25);
  assert.deepEqual([missed.count, missed.since], [1, 24]);
  assert.ok(missed.has(11), "an announced message can still be requested");
});

test("a message that was sent after all is no longer missed", () => {
  const missed = new Missed();
  missed.add(1);
  missed.add(2);
  missed.markSent(1);
  assert.deepEqual([missed.has(1), missed.has(2), missed.forgotten], [false, true, 0]);
});

test("a missed offset is remembered or at most `forgotten`, in any sequence", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fc.integer({ min: 1, max: 5 }) }) },
    fc.record({ made: fc.nat(60) }),
    fc.record({ prune: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const missed = new Missed();
      const model = new Set<number>();
      let head = 0;
      let floor = 0;
      for (const one of steps) {
        if ("add" in one) {
          head += one.add;
          missed.add(head);
          model.add(head);
        } else if ("made" in one) {
          missed.markSent(one.made);
          model.delete(one.made);
        } else {
          floor = Math.max(floor, Math.min(head, one.prune));
          const gone = [...model].filter((offset) => offset <= floor);
          missed.prune(floor);
          for (const offset of gone) model.delete(offset);
          if (gone.length > 0) assert.equal(missed.forgotten, Math.max(...gone));
        }
        assert.equal(missed.size, model.size);
        for (let offset = 0; offset <= head; offset++) assert.equal(missed.has(offset), model.has(offset));
      }
    }),
  );
});

test("remembers a limited number of offsets and up to which offset it has forgotten some", () => {
  const missed = new Missed();
  for (let offset = 1; offset <= 50_000; offset++) missed.add(offset);
  assert.equal(missed.count, 50_000);
  assert.ok(missed.size <= 10_000);
  assert.equal(missed.forgotten, 50_000 - missed.size);
  assert.ok(!missed.has(missed.forgotten) && missed.has(missed.forgotten + 1));
});
