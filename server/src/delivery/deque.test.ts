import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Deque } from "./deque.ts";

test("push and shift behave like those of an array", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.nat(60).map((count) => ({ push: count })) },
    { weight: 2, arbitrary: fc.nat(60).map((count) => ({ shift: count })) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const deque = new Deque<number>();
      const model: number[] = [];
      let next = 0;
      for (const one of steps) {
        if ("push" in one) {
          for (let i = 0; i < one.push; i++) {
            deque.push(next);
            model.push(next++);
          }
        } else {
          for (let i = 0; i < one.shift; i++) assert.equal(deque.shift(), model.shift());
        }
        assert.equal(deque.length, model.length);
        for (const at of [-1, 0, 1, model.length >> 1, model.length - 1, model.length]) {
          assert.equal(deque.at(at), at < 0 ? undefined : model[at], `at ${at} of ${model.length}`);
        }
      }
    }),
  );
});

test("push and shift take constant time", { timeout: 5000 }, () => {
  const deque = new Deque<number>();
  for (let i = 0; i < 100_000; i++) deque.push(i);
  for (let i = 100_000; i < 1_000_000; i++) {
    deque.push(i);
    if (deque.shift() !== i - 100_000) assert.fail(`wrong item at ${i}`);
  }
  assert.equal(deque.length, 100_000);
});

test("frees the memory of removed items", () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const deque = new Deque<number>();
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 2_000_000; i++) {
    deque.push(i);
    deque.shift();
  }
  gc();
  const kept = process.memoryUsage().heapUsed - before;
  assert.equal(deque.length, 0);
  assert.ok(kept < 4e6, `an empty queue holds ${kept} bytes`);
});
