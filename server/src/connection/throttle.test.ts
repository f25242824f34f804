import assert from "node:assert/strict";
import { test } from "node:test";
import { PRIORITIES } from "@odin-ws/protocol";
import fc from "fast-check";
import { conflates, inRollout, Throttle, type ThrottleSettings } from "./throttle.ts";

const SETTINGS: ThrottleSettings = {
  policy: "priority",
  percent: [100, 75, 50, 25],
  recoveryMs: 30_000,
  maxLevel: 3,
};
/** A level is held for at least this time. */
const HOLD_MS = 3000;
const [low, medium, high, critical] = [0, 1, 2, 3];

function at(level: number, settings: Partial<ThrottleSettings> = {}): Throttle {
  const throttle = new Throttle({ ...SETTINGS, ...settings }, 0);
  for (let i = 0; i < level * 3; i++) throttle.failed(HOLD_MS * (Math.floor(i / 3) - level));
  assert.equal(throttle.level, level);
  return throttle;
}

test("three failed sends in a row raise the level; at the last level they close the connection", () => {
  const throttle = new Throttle(SETTINGS, 0);
  const outcomes = Array.from({ length: 12 }, (_, i) => throttle.failed(Math.floor(i / 3) * HOLD_MS));
  const up = ["nothing", "nothing", "level-up"];
  assert.deepEqual(outcomes, [...up, ...up, ...up, "nothing", "nothing", "close"]);
});

test("a level is held for 3 s, however many sends fail: a stall of a second costs one level", () => {
  const throttle = new Throttle(SETTINGS, 0);
  for (let i = 0; i < 3; i++) throttle.failed(0);
  for (let now = 10; now < HOLD_MS; now += 10) throttle.failed(now);
  assert.equal(throttle.level, 1);
  assert.equal(throttle.failed(HOLD_MS), "level-up", "the failures before count");
  assert.equal(throttle.failed(HOLD_MS), "nothing");
  for (let now = HOLD_MS; now < 3 * HOLD_MS; now += 10) assert.notEqual(throttle.failed(now), "close");
  assert.equal(throttle.level, 3);
  throttle.succeeded();
  assert.equal(throttle.failed(3 * HOLD_MS), "nothing", "a success resets the count");
  assert.equal(throttle.failed(3 * HOLD_MS), "nothing");
  assert.equal(throttle.failed(3 * HOLD_MS), "close");
});

test("a successful send resets the count of failures", () => {
  const throttle = new Throttle(SETTINGS, 0);
  for (let i = 0; i < 10; i++) {
    throttle.failed(0);
    throttle.failed(0);
    throttle.succeeded();
  }
  assert.equal(throttle.level, 0);
});

test("30 s without a failure lower the level by one, not sooner and not by two", () => {
  const throttle = at(3);
  throttle.failed(5000);
  assert.equal(throttle.recover(34_999), false);
  assert.equal(throttle.recover(35_000), true);
  assert.equal(throttle.level, 2);
  assert.equal(throttle.recover(64_999), false);
  assert.equal(throttle.recover(65_000), true);
  assert.equal(throttle.recover(95_000), true);
  assert.equal(throttle.level, 0);
  assert.equal(throttle.recover(1e9), false);
});

test("levels follow a simple model in any sequence", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant("fail" as const) },
    fc.constant("succeed" as const),
    fc.integer({ min: 1, max: 40_000 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.constantFrom(0, 1, 2, 3), (steps, maxLevel) => {
      const throttle = new Throttle({ ...SETTINGS, maxLevel: maxLevel as ThrottleSettings["maxLevel"] }, 0);
      let [now, level, row, calmSince, levelSince] = [0, 0, 0, 0, Number.NEGATIVE_INFINITY];
      for (const one of steps) {
        if (one === "succeed") {
          throttle.succeeded();
          row = 0;
        } else if (one === "fail") {
          const outcome = throttle.failed(now);
          calmSince = now;
          row++;
          if (row < 3 || now - levelSince < HOLD_MS) assert.equal(outcome, "nothing");
          else {
            row = 0;
            assert.equal(outcome, level === maxLevel ? "close" : "level-up");
            if (outcome === "close") return;
            level++;
            levelSince = now;
          }
        } else {
          now += one;
          const down = level > 0 && now - calmSince >= SETTINGS.recoveryMs;
          assert.equal(throttle.recover(now), down);
          if (down) {
            level--;
            calmSince = now;
            levelSince = now;
          }
        }
        assert.equal(throttle.level, level);
        assert.equal(throttle.ratePercent, SETTINGS.percent[level]);
        assert.equal(throttle.idle, level === 0 && row === 0);
      }
    }),
  );
});

test("priority policy: each level stops one more priority, and critical always passes", () => {
  const passing = [[low, medium, high, critical], [medium, high, critical], [high, critical], [critical]];
  for (const [level, expected] of passing.entries()) {
    const throttle = at(level);
    assert.deepEqual(
      PRIORITIES.map((_, priority) => priority).filter((priority) => throttle.passes(priority)),
      expected,
    );
  }
});

test("rate policy: the level's percentage passes, for any mix of priorities", () => {
  const mix = fc.array(fc.constantFrom(low, low, medium, high), { minLength: 400, maxLength: 800 });
  fc.assert(
    fc.property(mix, fc.constantFrom(1, 2, 3), (priorities, level) => {
      const throttle = at(level, { policy: "rate" });
      const passed = priorities.filter((priority) => throttle.passes(priority)).length;
      const expected = (priorities.length * (SETTINGS.percent[level] as number)) / 100;
      assert.ok(Math.abs(passed - expected) <= 8, `${passed} of ${priorities.length} at level ${level}`);
    }),
    { numRuns: 50 },
  );
});

test("rate policy: the lowest priority is dropped first, a critical message never", () => {
  const throttle = at(1, { policy: "rate" });
  const passed = [0, 0, 0, 0];
  for (let i = 0; i < 400; i++) {
    for (const priority of [low, medium, high, critical]) {
      if (throttle.passes(priority)) passed[priority] = (passed[priority] as number) + 1;
    }
  }
  // The messages to drop, 25 % of all, are as many as the low ones.
  assert.deepEqual(passed.slice(1), [400, 400, 400]);
  assert.ok((passed[low] as number) <= 4, `${passed[low]} low messages passed`);
  const heavy = at(3, { policy: "rate", percent: [100, 75, 50, 0] });
  for (let i = 0; i < 100; i++) assert.ok(heavy.passes(critical));
});

test("rate policy: critical messages do not use up the share of the others", () => {
  const throttle = at(2, { policy: "rate" });
  for (let i = 0; i < 1000; i++) throttle.passes(critical);
  const passed = Array.from({ length: 100 }, () => throttle.passes(high)).filter(Boolean).length;
  assert.ok(passed >= 40, `after many critical messages only ${passed} of 100 passed`);
});

test("conflate policy: everything passes at every level, and without levels nothing is conflated", () => {
  for (const level of [0, 1, 2, 3]) {
    const throttle = at(level, { policy: "conflate" });
    for (const priority of [low, medium, high, critical]) assert.ok(throttle.passes(priority));
  }
  assert.ok(conflates({ ...SETTINGS, policy: "conflate" }));
  assert.ok(!conflates({ ...SETTINGS, policy: "conflate", maxLevel: 0 }));
  assert.ok(!conflates(SETTINGS));
});

test("rollout: the percentage of users is right and stable", () => {
  const users = Array.from({ length: 5000 }, (_, index) => `user-${index}`);
  for (const percent of [0, 10, 50, 100]) {
    const chosen = users.filter((user) => inRollout(user, percent));
    assert.ok(Math.abs(chosen.length / 50 - percent) <= 2, `${chosen.length} of 5000 at ${percent} %`);
    assert.ok(chosen.every((user) => inRollout(user, percent)));
    // Raising the percentage only adds users.
    if (percent < 100) assert.ok(chosen.every((user) => inRollout(user, percent + 1)));
  }
});
