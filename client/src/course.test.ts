/** The course against a small model of a gateway behind a network that delays and cuts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope, Position, ServerMessage, ThrottleLevel } from "@odin-ws/protocol";
import fc from "fast-check";
import { Course } from "./course.ts";

const RING = 3;
const CHANNELS = ["A.trade", "B.trade"];

interface Item {
  offset: number;
  channel: string;
}
type Up =
  | { type: "subscribe"; since: Position | undefined; round: number }
  | { type: "replay"; from: number; to: number }
  | { type: "heartbeat"; round: number | undefined };

/** One client, its course, the line, and the gateways, which all know the same stream. */
class World {
  epoch = 1;
  stream: Item[] = [];
  floor = 0;
  delivered: { item: Item; late: boolean; epoch: number }[] = [];
  /** Heads at which the client was told to refetch. */
  refetched: { epoch: number; head: number }[] = [];
  /** What was published while the client was live. */
  owed: { epoch: number; item: Item }[] = [];
  restarts = 0;

  course: Course;
  #seq = 0;
  #ring = new Map<number, Item>();
  #missed = new Set<number>();
  /** Offset after which this connection was given or owes everything; undefined before it subscribed. */
  #from: number | undefined;
  #level: ThrottleLevel = 0;
  #left: number[] = [];
  #up: Up[] = [];
  #down: { message: ServerMessage; round?: number | undefined }[] = [];
  #live = false;
  /** The stream that the course believes in. */
  #begun = 0;

  constructor(maxHeld?: number, generation?: number) {
    this.course = new Course(
      {
        deliver: ({ offset, channel }, late) =>
          this.delivered.push({ item: { offset, channel }, late, epoch: this.#begun }),
        replay: (from, to) => this.#up.push({ type: "replay", from, to }),
        refill: (since, round) => this.#up.push({ type: "subscribe", since, round }),
        refetch: () => this.refetched.push({ epoch: this.epoch, head: this.head }),
        begin: () => {
          this.#begun = this.epoch;
        },
        restart: () => this.restarts++,
      },
      maxHeld,
      generation,
    );
    this.connect();
  }

  get head(): number {
    return this.stream.at(-1)?.offset ?? 0;
  }

  connect(): void {
    this.#seq = 0;
    this.#ring.clear();
    this.#missed.clear();
    this.#from = undefined;
    this.#level = 0;
    this.#left = [];
    this.#up = [];
    this.#down = [];
    const since = this.course.welcome({ epoch: `${this.epoch}`, offset: this.head }, this.#live);
    this.#up.push({ type: "subscribe", since, round: 0 });
  }

  publish(channel: number, fate: "sent" | "unsent" | "left"): void {
    const item = { offset: this.head + 1 + (channel % 2), channel: CHANNELS[channel] ?? "other.trade" };
    this.stream.push(item);
    if (!CHANNELS.includes(item.channel)) return;
    if (this.#live) this.owed.push({ epoch: this.epoch, item });
    if (this.#from === undefined) return;
    if (fate === "left" && this.#level > 0) {
      this.#left.push(item.offset);
      this.#missed.add(item.offset);
    } else {
      const seq = this.#number(item);
      if (fate === "unsent") this.#missed.add(item.offset);
      else this.#send(item, seq);
    }
  }

  level(level: ThrottleLevel): void {
    const since = { epoch: `${this.epoch}`, offset: (this.#left[0] ?? this.head + 1) - 1 };
    this.#level = level;
    const message = "";
    const dropped = this.#left.length;
    this.#down.push({
      message: { type: "throttle_update", level, rate_percent: 100, dropped, since, message },
    });
    if (level === 0) this.#left = [];
  }

  /** The history forgets everything. */
  forget(): void {
    this.floor = this.head;
    this.#missed.clear();
  }

  replace(): void {
    this.epoch++;
    this.stream = [];
    this.floor = 0;
    this.#ring.clear();
    this.#missed.clear();
    this.#left = [];
    this.#from = this.#from === undefined ? undefined : 0;
    this.level(this.#level);
    // The course compares names, the model numbers: nothing of the old stream may arrive later.
    this.flow(Number.POSITIVE_INFINITY);
  }

  heartbeat(): void {
    this.#up.push({ type: "heartbeat", round: undefined });
  }

  /** The gateway reads and answers so many requests. */
  serve(count: number): void {
    for (let n = 0; n < count && this.#up.length > 0; n++) this.#answer(this.#up.shift() as Up);
  }

  /** So many messages of the gateway arrive. */
  flow(count: number): void {
    for (let n = 0; n < count; n++) {
      const next = this.#down.shift();
      if (next === undefined) break;
      const { message, round } = next;
      if ("channel" in message) this.course.envelope(message);
      else if (message.type === "replay_end") this.course.replayEnd(message);
      else if (message.type === "heartbeat_ack") this.course.heartbeat(message, round);
      else if (message.type === "throttle_update") this.course.throttled(message);
      else if (message.type === "subscription_ack") {
        this.#live = true;
        if (message.recovered === undefined) continue;
        this.course.refilled(message.recovered, round ?? -1);
        this.#up.push({ type: "heartbeat", round });
      }
    }
  }

  /** Everything that is on its way arrives, and heartbeats show what is not. */
  settle(): void {
    for (let round = 0; round < 30; round++) {
      if (round % 5 === 0) this.heartbeat();
      this.serve(100);
      this.flow(1000);
    }
    this.course.again();
    assert.deepEqual(this.#up, [], "it still waits for a replay");
  }

  #number(item: Item): number {
    this.#ring.set(++this.#seq, item);
    this.#ring.delete(this.#seq - RING);
    return this.#seq;
  }

  #send({ offset, channel }: Item, seq: number): void {
    const message: Envelope = { seq, offset, ts: 0, type: "t", priority: "high", channel, data: null };
    this.#down.push({ message });
  }

  #answer(up: Up): void {
    if (up.type === "replay") {
      const { from, to } = up;
      let sent = 0;
      for (let seq = from; seq <= to; seq++) {
        const item = this.#ring.get(seq);
        if (item === undefined) continue;
        this.#missed.delete(item.offset);
        this.#send(item, seq);
        sent++;
      }
      const missing = to - from + 1 - sent;
      this.#down.push({ message: { type: "replay_end", from_seq: from, to_seq: to, sent, missing } });
    } else if (up.type === "heartbeat") {
      const offset = this.#missed.size > 0 ? Math.min(...this.#missed) - 1 : this.head;
      const message = { type: "heartbeat_ack", ts: 0, seq: this.#seq, offset } as const;
      this.#down.push({ message, round: up.round });
    } else this.#subscribe(up.since, up.round);
  }

  #subscribe(since: Position | undefined, round: number): void {
    const answer = { type: "subscription_ack", subscribed: CHANNELS, count: 2 } as const;
    const earlier = this.#from;
    if (since === undefined) {
      this.#from = this.head;
      this.#down.push({ message: answer, round });
      return;
    }
    const recovered = since.epoch === `${this.epoch}` && since.offset >= this.floor;
    this.#from = Math.min(earlier ?? this.head, recovered ? since.offset : this.head);
    const found = this.stream.filter(
      ({ offset, channel }) =>
        recovered &&
        offset > since.offset &&
        CHANNELS.includes(channel) &&
        (offset <= (earlier ?? this.head) || this.#missed.has(offset)),
    );
    this.#down.push({ message: { ...answer, recovered, replayed: found.length }, round });
    for (const item of found) {
      const numbered = [...this.#ring].find(([, other]) => other === item);
      const own = this.#missed.delete(item.offset) ? numbered?.[0] : undefined;
      this.#send(item, own ?? this.#number(item));
    }
  }
}

type Step = (world: World) => void;
const channel = fc.nat({ max: 2 });
const count = fc.integer({ min: 1, max: 6 });

// Written as objects, so that a failing sequence can be read.
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

function run(steps: readonly Step[]): World {
  const world = new World();
  world.serve(1);
  world.flow(1);
  for (const one of steps) one(world);
  world.level(0);
  world.settle();
  return world;
}

function assertExact(world: World): void {
  const key = (epoch: number, { offset }: Item) => `${epoch}/${offset}`;
  const got = world.delivered.map(({ epoch, item }) => key(epoch, item));
  assert.equal(new Set(got).size, got.length, `none twice: ${got}`);
  const newest = new Map<string, number>();
  for (const { epoch, item, late } of world.delivered) {
    const place = `${epoch} ${item.channel}`;
    const before = newest.get(place) ?? 0;
    assert.equal(item.offset < before, late, `late is said of what is late: ${key(epoch, item)} in ${got}`);
    newest.set(place, Math.max(before, item.offset));
  }
  const known = new Set(got);
  for (const { epoch, item } of world.owed) {
    const told = world.refetched.some(
      (one) => one.epoch > epoch || (one.epoch === epoch && one.head >= item.offset),
    );
    assert.ok(known.has(key(epoch, item)) || told, `${key(epoch, item)} is missing: ${got}`);
  }
}

const anything = fc.array(fc.oneof({ arbitrary: sent, weight: 4 }, unsent, serve, flow, beat, cut), {
  maxLength: 60,
  size: "max",
});

test("gaps and cuts: every message once, in order, and nothing to refetch", () => {
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

test("throttling: what was left out comes, late where newer ones came before", () => {
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

test("what nobody remembers any more is told, and only that is missing", () => {
  const steps = fc.array(
    fc.oneof({ arbitrary: sent, weight: 4 }, unsent, left, serve, flow, beat, cut, level, forget, replace),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (some) => assertExact(run(some))),
    { numRuns: 1500 },
  );
});

test("what was lost is told once, however often the line is cut and the client throttled meanwhile", () => {
  const steps = fc.array(
    fc.oneof({ arbitrary: sent, weight: 4 }, left, unsent, serve, flow, beat, cut, level, forget),
    { maxLength: 60, size: "max" },
  );
  fc.assert(
    fc.property(steps, (some) => {
      const world = run(some);
      assertExact(world);
      const causes = some.filter((one) => String(one) === "forget").length;
      assert.ok(world.refetched.length <= causes, `${world.refetched.length} times told, ${causes} causes`);
    }),
    { numRuns: 1500 },
  );
});

test("an absence beyond the history is told once", () => {
  const world = run([]);
  for (let n = 0; n < 5; n++) world.publish(0, "sent");
  world.connect(); // The five were on the line.
  world.forget();
  world.settle();
  assert.equal(world.refetched.length, 1);
  world.publish(0, "sent");
  world.settle();
  assert.equal(world.delivered.length, 1);
  assert.equal(world.refetched.length, 1);
});

test("what waits behind a gap is bounded", () => {
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

test("a hole older than what is remembered is given up and told", () => {
  const world = new World(undefined, 4);
  world.serve(1);
  world.flow(1);
  world.level(1);
  world.publish(0, "left");
  for (let n = 0; n < 12; n++) world.publish(0, "sent");
  world.flow(20);
  assert.equal(world.refetched.length, 1);
});
