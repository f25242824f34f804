import assert from "node:assert/strict";
import { test } from "node:test";
import { type Figures, NO_FIGURES, sum, worseIn } from "./verdict.ts";

const figures = (changes: Partial<Figures>): Figures => ({ ...NO_FIGURES, ...changes });
const GOOD = figures({ accepted: 1000, sent: 50_000, timed: 50_000 });

test("a canary without an event, and one like the others, is not worse", () => {
  assert.deepEqual(worseIn(NO_FIGURES, [GOOD, GOOD]), []);
  assert.deepEqual(worseIn(GOOD, [GOOD, GOOD]), []);
  assert.deepEqual(worseIn(GOOD, []), []);
});

for (const [what, bad, expected] of [
  [
    "refuses connections",
    { refused: 10, accepted: 990 },
    /^1 % of 1000 connection attempts were refused, 0 %/,
  ],
  [
    "refuses tokens",
    { refusedClients: 300, accepted: 700 },
    /^30 % of 1000 .* such as its token, 0 % on the/,
  ],
  ["is late", { timed: 1000, late: 20 }, /^2 % of 1000 deliveries were late, 0 % on the others$/],
  ["drops", { sent: 980, dropped: 20 }, /^2 % of 1000 deliveries were dropped, 0 % on the others$/],
  ["restarts", { restarts: 1 }, /^the gateway restarted 1 times, the others 0 times on average$/],
] as const)
  test(`a canary that ${what} is worse, unless the others do the same`, () => {
    const canary = figures({ ...GOOD, ...bad });
    const [reason = "", ...more] = worseIn(canary, [GOOD, GOOD]);
    assert.match(reason, expected);
    assert.deepEqual(more, []);
    assert.deepEqual(worseIn(canary, [canary, canary]), [], "a bad time for everybody");
  });

test("few bad events prove nothing, and shares within the objective are accepted", () => {
  assert.deepEqual(worseIn(figures({ sent: 1, dropped: 9 }), [GOOD]), []);
  assert.deepEqual(worseIn(figures({ timed: 10_000, late: 99 }), [GOOD]), []);
  assert.deepEqual(worseIn(figures({ accepted: 50_000, refused: 49 }), [GOOD]), []);
});

test("figures of several gateways are added", () => {
  assert.deepEqual(sum([GOOD, GOOD]), figures({ accepted: 2000, sent: 100_000, timed: 100_000 }));
});
