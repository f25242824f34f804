import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Pace } from "./pace.ts";

test("the trending list is due at once and then at each interval, events at each step", () => {
  const pace = new Pace({ rate: 4, trendingSeconds: 1 }, 1_000);
  assert.deepEqual(pace.due(1_000), { events: 0, trending: true, skipped: 0 });
  assert.equal(pace.next, 1_250);
  assert.deepEqual(pace.due(1_249), { events: 0, trending: false, skipped: 0 });
  assert.deepEqual(pace.due(1_250), { events: 1, trending: false, skipped: 0 });
  assert.deepEqual(pace.due(2_000), { events: 3, trending: true, skipped: 0 });
  assert.equal(pace.next, 2_250);
});

test("the number of events depends on the time that has passed, and not on when due() is called", () => {
  const rhythm = fc.array(fc.double({ min: 0.1, max: 900, noNaN: true }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 5_000, noNaN: true }), rhythm, (rate, steps) => {
      const pace = new Pace({ rate, trendingSeconds: 5 }, 0);
      let now = 0;
      let events = 0;
      let trendings = 0;
      for (const step of steps) {
        now += step;
        const due = pace.due(now);
        assert.equal(due.skipped, 0);
        events += due.events;
        trendings += Number(due.trending);
        assert.ok(pace.next > now - 1e-6);
      }
      assert.equal(events, Math.floor((now * rate) / 1_000));
      assert.equal(trendings, Math.floor(now / 5_000) + 1);
    }),
  );
});

test("after a pause of the process, the events of one second are emitted late and the rest is counted", () => {
  const pace = new Pace({ rate: 100, trendingSeconds: 5 }, 0);
  assert.deepEqual(pace.due(60_000), { events: 100, trending: true, skipped: 5_900 });
  assert.deepEqual(pace.due(60_010), { events: 1, trending: false, skipped: 0 });
});

test("a new rate is used from the moment it is set; the trending list keeps its interval", () => {
  const pace = new Pace({ rate: 100, trendingSeconds: 1 }, 0);
  assert.deepEqual(pace.due(500), { events: 50, trending: true, skipped: 0 });
  pace.setRate(10, 700);
  assert.equal(pace.next, 800);
  assert.deepEqual(pace.due(799), { events: 0, trending: false, skipped: 0 });
  assert.deepEqual(pace.due(1_000), { events: 3, trending: true, skipped: 0 });
  pace.setRate(0, 1_000);
  assert.equal(pace.next, 2_000);
  assert.deepEqual(pace.due(9_000), { events: 0, trending: true, skipped: 0 });
});
