/** The course, tested against a model of a gateway. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope, ThrottleLevel } from "@odin-ws/protocol";
import fc from "fast-check";
import { type Item, World } from "./course.fixture.ts";
import { Course } from "./course.ts";

type Step = (world: World) => void;
const channel = fc.nat({ max: 2 });
const count = fc.integer({ min: 1, max: 6 });

// Each step has a name, so that a failing sequence is readable.
const step = (name: string, run: Step): Step => Object.assign(run, { toString: () => name });
const sent = channel.map((to) => step(`sent ${to}`, (world) => world.publish(to, "sent")));
const unsent = channel.map((to) => step(`unsent ${to}`, (world) => world.publish(to, "unsent")));
const left = channel.map((to) => step(`left ${to}`, (world) => world.publish(to, "left")));
const serve = count.map((n) => step(`serve ${n}`, (world) => world.serve(n)));
const flow = count.map((n) => step(`flow ${n}`, (world) => world.flow(n)));
const beat = fc.constant(step("heartbeat", (world) => world.heartbeat()));
const cut = fc.constant(step("cut", (world) => world.connect()));
const level = fc
  .constantFrom<ThrottleLevel>(0, 1)
  .map((to) => step(`level ${to}`, (world) => world.level(to)));
const forget = fc.constant(step("forget", (world) => world.forget()));
const replace = fc.constant(step("replace", (world) => world.replace()));
const replaceAndConnect = fc.constant(step("replace and connect", (world) => world.replaceAndConnect()));

function run(steps: readonly Step[]): World {
  const world = new World();
  world.serve(1);
  world.flow(1);
  for (const step of steps) step(world);
  world.level(0);
  world.settle();
  return world;
}

function assertExact(world: World): void {
  const key = (epoch: number, { offset }: Item) => `${epoch}/${offset}`;
  const got = world.delivered.map(({ epoch, item }) => key(epoch, item));
  assert.equal(new Set(got).size, got.length, `no message is delivered twice: ${got}`);
  const newest = new Map<string, number>();
  for (const { epoch, item, late } of world.delivered) {
    const place = `${epoch} ${item.channel}`;
    const before = newest.get(place) ?? 0;
    assert.equal(
      item.offset < before,
      late,
      `"late" is true only for late messages: ${key(epoch, item)} in ${got}`,
    );
    newest.set(place, Math.max(before, item.offset));
  }
  assert.deepEqual(world.tooEarly, [], "no message behind a loss comes before the report of the loss");
  const known = new Set(got);
  for (const { epoch, item } of world.owed) {
    const reported = world.refetched.some(
      (one) => one.epoch > epoch || (one.epoch === epoch && one.head >= item.offset),
    );
    assert.ok(known.has(key(epoch, item)) || reported, `${key(epoch, item)} is missing: ${got}`);
  }
}

const anything = fc.array(fc.oneof({ arbitrary: sent, weight: 4 }, unsent, serve, flow, beat, cut), {
  maxLength: 60,
  size: "max",
});

test("gaps and cuts: every message is delivered once and in order, without a refetch", () => {
  fc.assert(
    fc.property(anything, (steps) => {
      const world = run(steps);
      assertExact(world);
      assert.deepEqual(world.refetched, []);
      assert.ok(world.delivered.every(({ late }) => !late));
    }),
    { numRuns: 1500 },
  );
});

test("throttling: dropped messages are delivered, and marked late after newer ones", () => {
  const steps = fc.array(
    fc.oneof(
      { arbitrary: sent, weight: 3 },
      { arbitrary: left, weight: 3 },
      unsent,
      serve,
      flow,
      beat,
      cut,
      level,
    ),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (some) => {
      const world = run(some);
      assertExact(world);
      assert.deepEqual(world.refetched, []);
    }),
    { numRuns: 1500 },
  );
});

test("messages that left the history are reported, and no others are missing", () => {
  const steps = fc.array(
    fc.oneof(
      { arbitrary: sent, weight: 4 },
      unsent,
      left,
      serve,
      flow,
      beat,
      cut,
      level,
      forget,
      replace,
      replaceAndConnect,
    ),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (some) => assertExact(run(some))),
    { numRuns: 1500 },
  );
});

test("a loss is reported once, despite cuts and throttling in between", () => {
  const steps = fc.array(
    fc.oneof({ arbitrary: sent, weight: 4 }, left, unsent, serve, flow, beat, cut, level, forget),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (some) => {
      const world = run(some);
      assertExact(world);
      const causes = some.filter((one) => String(one) === "forget").length;
      assert.ok(world.refetched.length <= causes, `${world.refetched.length} reports, ${causes} causes`);
    }),
    { numRuns: 1500 },
  );
});

test("an absence longer than the history is reported once", () => {
  const world = run([]);
  for (let n = 0; n < 5; n++) world.publish(0, "sent");
  world.connect(); // The five messages were still on the network.
  world.forget();
  world.settle();
  assert.equal(world.refetched.length, 1);
  world.publish(0, "sent");
  world.settle();
  assert.equal(world.delivered.length, 1);
  assert.equal(world.refetched.length, 1);
});

test("after a loss, more messages than can wait are delivered in order, after the report", () => {
  const world = new World(3);
  world.serve(1);
  world.flow(1);
  world.publish(0, "sent");
  world.connect();
  world.forget();
  world.serve(1);
  for (let n = 0; n < 6; n++) world.publish(0, "sent");
  world.flow(4); // The answer, and three messages.
  assert.deepEqual([world.refetched.length, world.delivered.length], [0, 0]);
  world.flow(1);
  assert.deepEqual([world.refetched.length, world.delivered.length, world.restarts], [1, 4, 0]);
  world.settle();
  assert.deepEqual([world.refetched.length, world.delivered.length, world.restarts], [1, 6, 0]);
  assertExact(world);
});

test("the number of envelopes behind a gap is limited", () => {
  const world = new World(3);
  world.serve(1);
  world.flow(1);
  world.publish(0, "unsent");
  for (let n = 0; n < 4; n++) world.publish(0, "sent");
  world.flow(3);
  assert.equal(world.restarts, 0);
  world.flow(1);
  assert.equal(world.restarts, 1);
});

test("a gap older than the remembered offsets is given up and reported", () => {
  const world = new World(1);
  world.serve(1);
  world.flow(1);
  world.level(1);
  world.publish(0, "left");
  for (let n = 0; n < 12; n++) world.publish(0, "sent");
  world.flow(20);
  assert.equal(world.refetched.length, 1);
});

test("a resume names the time of the last message, unless the position is above that message", () => {
  const ignored = () => {};
  const course = new Course(
    { deliver: ignored, begin: ignored },
    { replay: ignored, refill: ignored },
    { refetch: ignored, restart: ignored },
  );
  const envelope = (seq: number, offset: number, ts: number): Envelope => ({
    ...{ seq, offset, ts, channel: "BTC.trade", type: "price:update", priority: "high", data: {} },
  });
  course.welcome({ epoch: "e", offset: 4 }, false);
  course.envelope(envelope(1, 5, 111));
  course.envelope(envelope(2, 7, 222));
  assert.deepEqual(course.welcome({ epoch: "e", offset: 9 }, true), { epoch: "e", offset: 7, ts: 222 });
  // Another stream: the time belongs to a message of the old one.
  assert.deepEqual(course.welcome({ epoch: "f", offset: 7 }, true), { epoch: "f", offset: 7 });
});
