import assert from "node:assert/strict";
import { test } from "node:test";
import { PRIORITIES } from "@odin-ws/protocol";
import fc from "fast-check";
import { PriorityLimiter, TokenBucket } from "./rate.ts";

const priority = (name: (typeof PRIORITIES)[number]) => PRIORITIES.indexOf(name);

test("lets a burst pass at once, then its rate", () => {
  const bucket = new TokenBucket(20, 40, 0);
  let passed = 0;
  for (let i = 0; i < 100; i++) if (bucket.take(0)) passed++;
  assert.equal(passed, 40);
  assert.equal(bucket.waitMs(0), 50);
  assert.equal(bucket.take(49), false);
  assert.equal(bucket.take(50), true);
  assert.equal(bucket.take(50), false);
});

test("never lets more than burst + rate × time pass, in any window", () => {
  const calls = fc.array(fc.record({ wait: fc.nat(400), takes: fc.nat(30) }), { maxLength: 50 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      calls,
      (rate, burst, steps) => {
        const bucket = new TokenBucket(rate, burst, 1000);
        const passed: number[] = [];
        let now = 1000;
        for (const { wait, takes } of steps) {
          now += wait;
          for (let i = 0; i < takes; i++) if (bucket.take(now)) passed.push(now);
        }
        for (const [first, from] of passed.entries()) {
          for (let last = first; last < passed.length; last++) {
            const seconds = ((passed[last] as number) - from) / 1000;
            assert.ok(last - first + 1 <= burst + rate * seconds + 1e-6);
          }
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("waitMs returns the time until the next take succeeds", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.nat(2000), (rate, wait) => {
      const bucket = new TokenBucket(rate, 1, 0);
      assert.ok(bucket.take(0));
      const ms = bucket.waitMs(Math.min(wait, 1));
      const at = Math.min(wait, 1) + ms;
      assert.equal(bucket.waitMs(at), 0);
      assert.ok(bucket.take(at));
    }),
  );
});

test("a clock that goes back adds no tokens and removes none", () => {
  const bucket = new TokenBucket(10, 1, 5000);
  assert.ok(bucket.take(5000));
  assert.equal(bucket.take(1000), false);
  assert.equal(bucket.take(1099), false);
  assert.equal(bucket.take(1101), true);
});

test("sheds the lowest priority first and never a critical message", () => {
  const limiter = new PriorityLimiter(100, 0);
  const passed = { low: 0, medium: 0, high: 0, critical: 0 };
  // 30 messages a second of each priority for 10 s are 20 a second too many. There are enough low ones to
  // drop.
  for (let ms = 0; ms < 10_000; ms += 100) {
    for (const name of PRIORITIES) {
      for (let i = 0; i < 3; i++) if (limiter.passes(priority(name), ms)) passed[name]++;
    }
  }
  assert.equal(passed.critical, 300);
  assert.equal(passed.high, 300);
  assert.equal(passed.medium, 300);
  assert.ok(passed.low >= 90 && passed.low <= 160, `${passed.low} of 300 low messages passed`);
});

test("below the rate no message is shed, not even a low one", () => {
  const limiter = new PriorityLimiter(100, 0);
  for (let ms = 0; ms < 5000; ms += 10) assert.ok(limiter.passes(priority("low"), ms), `at ${ms} ms`);
});

test("critical messages pass even when nothing else does", () => {
  const limiter = new PriorityLimiter(10, 0);
  for (let i = 0; i < 1000; i++) assert.ok(limiter.passes(priority("critical"), 0));
  assert.equal(limiter.passes(priority("high"), 0), false);
});

test("even a rate of 1 lets low messages pass when there are no others", () => {
  const limiter = new PriorityLimiter(1, 0);
  let passed = 0;
  for (let ms = 0; ms < 60_000; ms += 2000) if (limiter.passes(priority("low"), ms)) passed++;
  assert.ok(passed > 0, "with messages at half the rate, none passed in a minute");
});
