import assert from "node:assert/strict";
import { test } from "node:test";
import { growthOf, type Second, thirdsOf } from "./thirds.ts";

/** 90 seconds, in which memory and p99 have these values in each third. */
const run = (memory: readonly number[], p99: readonly number[]): Second[] =>
  Array.from({ length: 90 }, (_, at) => ({
    at,
    memoryBytes: (memory[Math.floor(at / 30)] as number) * 1e6,
    p99: p99[Math.floor(at / 30)] as number,
  }));

test("each third has its medians", () => {
  const seconds = run([100, 130, 101], [20, 25, 22]);
  // One second that is far off does not count.
  seconds[0] = { at: 0, memoryBytes: 9e9, p99: 9000 };
  assert.deepEqual(thirdsOf(seconds), [
    { memoryMb: 100, p99Ms: 20 },
    { memoryMb: 130, p99Ms: 25 },
    { memoryMb: 101, p99Ms: 22 },
  ]);
});

test("growth from the first to the last third is reported", () => {
  assert.deepEqual(growthOf(thirdsOf(run([100, 200, 102], [20, 99, 30]))), []);
  assert.deepEqual(growthOf(thirdsOf(run([100, 100, 104], [20, 20, 20]))), [
    "memory grew from 100.0 to 104.0 MB",
  ]);
  assert.deepEqual(growthOf(thirdsOf(run([100, 100, 100], [20, 20, 36]))), ["p99 grew from 20.0 to 36.0 ms"]);
});

test("a run without figures does not pass", () => {
  assert.equal(growthOf(thirdsOf([])).length, 2);
  assert.equal(growthOf(thirdsOf(run([100, 100, 100], [20, 20, 20]).map(({ at }) => ({ at })))).length, 2);
});
