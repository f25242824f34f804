import assert from "node:assert/strict";
import { test } from "node:test";
import { RateCheck } from "./rate-check.ts";

/** Number of messages that the check refuses. `times` in ms. */
const refused = (check: RateCheck, channel: string, times: number[]) =>
  times.filter((time) => !check.accepts(channel, time)).length;
const every = (ms: number, count: number) => Array.from({ length: count }, (_, index) => 1000 + index * ms);

test("messages at their rate pass, also together after a stall", () => {
  assert.equal(refused(new RateCheck(4), "A", every(250, 100)), 0);
  const stalled = every(250, 40).map((time) => (time > 3000 && time < 4800 ? 4800 : time));
  assert.equal(refused(new RateCheck(4), "A", stalled), 0);
});

test("a channel that comes twice as often is noticed within seconds", () => {
  const check = new RateCheck(4);
  assert.equal(refused(check, "A", every(125, 16)), 0);
  assert.ok(refused(check, "A", every(125, 100).slice(16)) > 30);
});

test("each channel has its own rate", () => {
  const check = new RateCheck(1);
  for (const channel of ["A", "B", "C"]) assert.equal(refused(check, channel, every(1000, 20)), 0);
});
