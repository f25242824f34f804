import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Timers } from "./timers.ts";

test("there is one timer per name, and none after clear", async () => {
  const line = new FakeLine();
  const timers = new Timers(line.environment);
  const fired: string[] = [];
  timers.set("open", 10, () => fired.push("replaced"));
  timers.set("open", 20, () => fired.push("open"));
  timers.set("pump", 5, () => fired.push("stopped"));
  timers.stop("pump");
  timers.set("hidden", Infinity, () => fired.push("never"));
  timers.set("auth", 2 ** 31, () => fired.push("after 23 days"));
  await line.pass(20);
  assert.deepEqual(fired, ["open"]);
  await line.pass(2e9);
  assert.deepEqual(fired, ["open", "after 23 days"]);
  timers.set("open", 1, () => fired.push("cleared"));
  timers.clear();
  await line.pass(3e9);
  assert.equal(fired.length, 2);
  assert.equal(line.left, 0);
});
