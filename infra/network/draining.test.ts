import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionDrainingSeconds, maxDrainSeconds } from "./draining.ts";

test("load balancers forward longer than any drain takes, and at most an hour, which is their limit", () => {
  for (const drain of [0, 60, maxDrainSeconds(true), maxDrainSeconds(false)]) {
    assert.ok(connectionDrainingSeconds(drain) > drain);
    assert.ok(connectionDrainingSeconds(drain) <= 3600);
  }
});

test("the longest drain ends before Compute Engine cuts the power", () => {
  assert.equal(maxDrainSeconds(false), 100);
  assert.equal(maxDrainSeconds(true), 20);
});
