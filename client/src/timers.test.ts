import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeLine } from "./fake-line.fixture.ts";
import { Timers } from "./timers.ts";

test("there is one timer per name, and none after clear", async () => {
  const line = new FakeLine();
  const timers = new Timers(line.environment);
  const fired: string[] = [];
  timers.set("beat", 10, () => fired.push("replaced"));
  timers.set("beat", 20, () => fired.push("beat"));
  timers.set("pump", 5, () => fired.push("stopped"));
  timers.stop("pump");
  timers.set("hide", Infinity, () => fired.push("never"));
  timers.set("renew", 2 ** 31, () => fired.push("never"));
  await line.pass(20);
  assert.deepEqual(fired, ["beat"]);
  timers.set("connect", 1, () => fired.push("cleared"));
  timers.clear();
  await line.pass(3e9);
  assert.deepEqual(fired, ["beat"]);
  assert.equal(line.left, 0);
});
