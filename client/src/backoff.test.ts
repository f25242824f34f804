import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backoff, FIRST_WINDOW, QUICK_ATTEMPTS } from "./backoff.ts";

test("the window doubles with every failure, up to 20 s, and the wait is drawn from the whole window", () => {
  const failures = [0, 1, 2, 3, 50, 5000].map((some) => some + QUICK_ATTEMPTS);
  const longest = failures.map((some) => backoff(FIRST_WINDOW, some, 1));
  assert.deepEqual(longest, [5_000, 10_000, 20_000, 20_000, 20_000, 20_000]);
  assert.equal(backoff(FIRST_WINDOW, 7 + QUICK_ATTEMPTS, 0), 500);
  assert.equal(backoff(FIRST_WINDOW, QUICK_ATTEMPTS, 0.5), 2_750);
});

test("behind a loss, the first wait is drawn from the window, and the next ones from a quarter of it", () => {
  const window = { min_ms: 200, max_ms: 2_000 };
  const longest = Array.from({ length: 13 }, (_, failures) => backoff(window, failures, 1));
  assert.deepEqual(longest, [2000, 500, 500, 500, 500, 500, 500, 500, 500, 1000, 2000, 4000, 8000]);
  assert.deepEqual([backoff(window, 0, 0), backoff(window, 1, 0)], [200, 200]);
});

test("the wait is never below the gateway's minimum, even if the minimum is above 20 s", () => {
  assert.equal(backoff({ min_ms: 60_000, max_ms: 90_000 }, 0, 1), 60_000);
  const window = fc.record({ min_ms: fc.nat(100_000), max_ms: fc.integer({ min: 1, max: 100_000 }) });
  fc.assert(
    fc.property(
      window,
      fc.nat(2_000),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (some, failures, random) => {
        const wait = backoff(some, failures, random);
        assert.ok(wait >= some.min_ms && wait <= Math.max(some.min_ms, 20_000), `${wait}`);
      },
    ),
  );
});
