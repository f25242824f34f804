import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionDrainingSeconds, maxDrainSeconds } from "./draining.ts";

test("load balancers forward for as long as any drain takes, and stay within what they allow", () => {
  for (const drain of [0, 60, maxDrainSeconds(true), maxDrainSeconds(false)]) {
    assert.ok(connectionDrainingSeconds(drain) > drain);
    assert.ok(connectionDrainingSeconds(drain) <= 3600);
  }
});

test("the longest drain ends before the power is cut", () => {
  assert.equal(maxDrainSeconds(false), 100);
  assert.equal(maxDrainSeconds(true), 20);
});
