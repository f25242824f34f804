import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimerWheel, type WheelItem } from "./timer-wheel.ts";

class Item implements WheelItem {
  dueAt = 0;
  readonly visits: number[] = [];
  readonly next: (second: number) => number;
  constructor(next: (second: number) => number = () => 0) {
    this.next = next;
  }
  visit(second: number): number {
    this.visits.push(second);
    return this.next(second);
  }
}

test("visits an item in its second, and again in the second that the visit returns", () => {
  const wheel = new TimerWheel(100);
  const once = new Item();
  const often = new Item((second) => second + 3);
  wheel.schedule(once, 102);
  wheel.schedule(often, 103);
  for (let second = 101; second <= 110; second++) wheel.advance(second);
  assert.deepEqual(once.visits, [102]);
  assert.deepEqual(often.visits, [103, 106, 109]);
});

test("an item that is scheduled for the past is visited in the next second", () => {
  const wheel = new TimerWheel(100);
  const item = new Item();
  wheel.schedule(item, 7);
  wheel.advance(100);
  assert.deepEqual(item.visits, []);
  wheel.advance(101);
  assert.deepEqual(item.visits, [101]);
});

test("an item that returns the current second is visited in the next one", () => {
  const wheel = new TimerWheel(0);
  const item = new Item((second) => second);
  wheel.schedule(item, 1);
  wheel.advance(1);
  assert.equal(item.visits.length, 1);
  wheel.advance(2);
  assert.equal(item.visits.length, 2);
});

test("a visit may schedule and cancel other items", () => {
  const wheel = new TimerWheel(0);
  const other = new Item();
  const victim = new Item();
  const first = new Item(() => {
    wheel.schedule(other, 1);
    wheel.cancel(victim);
    return 0;
  });
  wheel.schedule(first, 1);
  wheel.schedule(victim, 1);
  wheel.advance(1);
  wheel.advance(2);
  assert.deepEqual([first.visits, other.visits, victim.visits], [[1], [2], []]);
});

test("scheduling replaces the earlier visit, in any sequence", () => {
  const step = fc.oneof(
    fc.record({ schedule: fc.nat(3), at: fc.nat(40) }),
    fc.record({ cancel: fc.nat(3) }),
    fc.record({ advance: fc.nat(12) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const wheel = new TimerWheel(0);
      const items = Array.from({ length: 4 }, () => new Item());
      const due = new Map<number, number>();
      const visits = [0, 0, 0, 0];
      let now = 0;
      for (const one of steps) {
        if ("schedule" in one) {
          wheel.schedule(items[one.schedule] as Item, one.at);
          due.set(one.schedule, Math.max(one.at, now + 1));
        } else if ("cancel" in one) {
          wheel.cancel(items[one.cancel] as Item);
          due.delete(one.cancel);
        } else {
          now += one.advance;
          wheel.advance(now);
          for (const [index, at] of due) {
            if (at > now) continue;
            due.delete(index);
            visits[index] = (visits[index] as number) + 1;
          }
        }
        assert.deepEqual(
          items.map((item) => item.visits.length),
          visits,
        );
      }
    }),
  );
});
