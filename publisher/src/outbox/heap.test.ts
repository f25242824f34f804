import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap } from "./heap.ts";

test("a heap returns items in the same order as a sorted list", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 50 }))), (steps) => {
      const heap = new Heap<number>((item) => item);
      const model: number[] = [];
      for (const step of steps) {
        if (step === null) assert.equal(heap.shift(), model.shift());
        else {
          heap.push(step);
          model.push(step);
          model.sort((a, b) => a - b);
        }
        assert.equal(heap.first, model[0]);
      }
      while (model.length > 0) assert.equal(heap.shift(), model.shift());
      assert.equal(heap.shift(), undefined);
    }),
    { numRuns: 1_000 },
  );
});
