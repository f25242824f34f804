import assert from "node:assert/strict";
import { test } from "node:test";
import { isInRollout } from "./fallback.ts";

test("a rollout chooses its percentage of the keys, and a higher one only adds keys", () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  let before = new Set<string>();
  for (const percent of [0, 0.5, 1, 10, 50, 99.5, 100]) {
    const chosen = new Set(keys.filter((key) => isInRollout(key, percent)));
    const share = (chosen.size / keys.length) * 100;
    const tolerance = Math.min(percent, 100 - percent) < 1 ? 0.2 : 1;
    assert.ok(Math.abs(share - percent) <= tolerance, `${share} %, not ${percent} %`);
    assert.ok(
      [...before].every((key) => chosen.has(key)),
      `${percent} %`,
    );
    before = chosen;
  }
  assert.equal(before.size, keys.length);
});

test("a key is in the same group in every version", () => {
  for (const [key, from] of [
    ["ann", 7.61],
    ["bob", 42.44],
    ["42", 50.12],
    ["zoë", 38.15],
  ] as const) {
    assert.equal(isInRollout(key, from - 0.02), false, key);
    assert.equal(isInRollout(key, from + 0.01), true, key);
  }
});
