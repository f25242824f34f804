import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LeftOut } from "./left-out.ts";

/** Each message waits or is sent at once, in the order of the stream. Some that wait are sent later. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant("wait" as const) },
  { weight: 6, arbitrary: fc.constant("send" as const) },
  { weight: 3, arbitrary: fc.record({ sendLate: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ unmark: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ prune: fc.nat(20) }) },
);

test("in any sequence, exactly the messages that waited and were not sent are known as left out", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const leftOut = new LeftOut();
      const missing = new Set<number>();
      const late: number[] = [];
      let head = 0;
      let floor = 0;
      for (const one of steps) {
        if (one === "wait") {
          missing.add(++head);
          leftOut.add(head, head);
        } else if (one === "send") {
          leftOut.close();
          leftOut.markSent(++head, floor);
        } else if ("sendLate" in one) {
          const offset = [...missing][one.sendLate];
          if (offset === undefined) continue;
          missing.delete(offset);
          late.push(offset);
          leftOut.markSent(offset, floor);
        } else if ("unmark" in one) {
          const offset = late.splice(one.unmark, 1)[0];
          if (offset === undefined) continue;
          missing.add(offset);
          leftOut.unmark(offset);
        } else {
          floor = Math.max(floor, head - one.prune);
          leftOut.prune(floor);
        }
        for (let offset = floor + 1; offset <= head; offset++) {
          assert.equal(leftOut.has(offset), missing.has(offset), `${offset} of ${head}`);
        }
      }
      leftOut.close();
      leftOut.prune(head);
      assert.ok(leftOut.empty);
    }),
    { numRuns: 500 },
  );
});

test("a message that waited because of a rate does not make newer ones count as left out", () => {
  const leftOut = new LeftOut();
  leftOut.add(3, 10);
  assert.deepEqual(
    [4, 10, 11].map((offset) => leftOut.has(offset)),
    [false, false, false],
  );
  leftOut.add(11, 11);
  assert.ok(leftOut.has(11));
});
