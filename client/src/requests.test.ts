import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientMessage } from "@odin-ws/protocol";
import fc from "fast-check";
import { Emitter } from "./emitter.ts";
import { FakeLine } from "./fake-line.fixture.ts";
import { Registry } from "./registry.ts";
import { Requests } from "./requests.ts";
import { Timers } from "./timers.ts";

/** Requests with a gateway that answers them, and refuses some channels. */
function start(refused: (channel: string) => boolean = () => false, limit = 256) {
  const line = new FakeLine();
  const registry = new Registry();
  const emitter = new Emitter();
  const there = new Set<string>();
  const sent: ClientMessage[] = [];
  const answers: boolean[] = [];
  const refilled: number[] = [];
  const answer = (message: ClientMessage) => {
    if (message.type === "replay" || message.type === "heartbeat") return;
    if (message.type === "subscribe") {
      const count = new Set([...there, ...message.channels]).size;
      if (message.channels.some(refused))
        return requests.refused({ type: "error", code: "forbidden_channel", message: "" });
      if (count > limit) return requests.refused({ type: "error", code: "too_many_channels", message: "" });
      for (const channel of message.channels) there.add(channel);
    } else if (message.type === "unsubscribe") for (const channel of message.channels) there.delete(channel);
    const resumed = message.type === "subscribe" && message.since ? { recovered: true } : {};
    requests.answered({ type: "subscription_ack", subscribed: [...there], count: there.size, ...resumed });
  };
  const timers = new Timers(line.environment);
  const send = (message: ClientMessage) => {
    sent.push(message);
    line.environment.setTimeout(() => answer(message), 5);
  };
  const requests: Requests = new Requests(registry, emitter, timers, {
    send,
    answered: (recovered) => answers.push(recovered),
    refilled: (round) => refilled.push(round),
  });
  const add = (channels: readonly string[]) =>
    registry.add(
      channels,
      () => {},
      0,
      () => requests.pumpAfter(0),
    );
  return { line, registry, emitter, requests, there, sent, answers, refilled, add };
}

const channel = fc
  .tuple(fc.stringMatching(/^[A-Z0-9_猫ü]{1,64}$/u), fc.constantFrom("trade", "*", "social"))
  .map((parts) => parts.join("."));

test("after any changes, the gateway has all channels that are wanted and allowed", async () => {
  const steps = fc.array(
    fc.record({ channels: fc.array(channel, { minLength: 1, maxLength: 60 }), leave: fc.boolean() }),
    {
      maxLength: 12,
    },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const refused = (name: string) => name.startsWith("A");
      const world = start(refused);
      const errors: string[] = [];
      world.emitter.on("error", ({ channels }) => errors.push(...channels));
      world.requests.open(undefined);
      for (const { channels, leave } of all) {
        const off = world.add(channels);
        await world.line.pass(30);
        if (leave) off();
      }
      await world.line.pass(60_000);
      const wanted = [...world.registry.channels].filter((name) => !refused(name)).slice(0, 256);
      assert.equal(world.there.size, wanted.length);
      for (const message of world.sent) assert.ok(Buffer.byteLength(JSON.stringify(message)) <= 4096);
      assert.ok(errors.every((name) => refused(name)));
      assert.deepEqual(new Set(errors).size, errors.length, "each refused channel is reported once");
    }),
    { numRuns: 60 },
  );
});

test("live channels are resumed in parts and reported once; new channels follow", async () => {
  const world = start();
  world.requests.open(undefined);
  const many = Array.from({ length: 100 }, (_, n) => `${"X".repeat(60)}${n}.trade`);
  world.add(many);
  await world.line.pass(1000);
  world.requests.close();
  world.there.clear();
  const before = world.sent.length;
  world.add(["NEW.trade"]);
  const since = { epoch: "e", offset: 7 };
  world.requests.open(since);
  await world.line.pass(1000);
  const asked = world.sent.slice(before);
  assert.ok(asked.length >= 3);
  assert.ok(
    asked.slice(0, -1).every((message) => message.type === "subscribe" && message.since?.offset === 7),
  );
  assert.deepEqual(asked.at(-1), { type: "subscribe", channels: ["NEW.trade"] });
  assert.deepEqual(world.refilled, [0]);
  assert.equal(world.answers.length, asked.length - 1, "each part is reported");
  assert.equal(world.there.size, 101);
});

test("channels beyond 256 are reported once, and subscribed when others end", async () => {
  const world = start();
  const errors: string[][] = [];
  world.emitter.on("error", ({ channels }) => errors.push([...channels]));
  world.requests.open(undefined);
  const leave = world.add(Array.from({ length: 256 }, (_, n) => `X${n}.trade`));
  await world.line.pass(1000);
  world.add(["LATE.trade"]);
  await world.line.pass(1000);
  assert.deepEqual(errors, [["LATE.trade"]]);
  leave();
  await world.line.pass(1000);
  assert.deepEqual([...world.there], ["LATE.trade"]);
  assert.equal(errors.length, 1);
});

test("a gateway that announces another limit gets this many channels; the others wait until some end", async () => {
  for (const limit of [1, 3, 1000]) {
    const world = start(undefined, limit);
    const errors: string[][] = [];
    world.emitter.on("error", ({ channels }) => errors.push([...channels]));
    world.requests.open(undefined, limit);
    const leave = world.add(Array.from({ length: limit }, (_, n) => `X${n}.trade`));
    world.add(["LATE.trade"]);
    await world.line.pass(2000);
    assert.equal(world.there.size, limit);
    assert.deepEqual(errors, [["LATE.trade"]]);
    leave();
    await world.line.pass(1000);
    assert.deepEqual([...world.there], ["LATE.trade"]);
  }
});

test("with a lower limit than before, only the first live channels are resumed", async () => {
  const world = start(undefined, 256);
  world.requests.open(undefined);
  world.add(["A.a", "B.b", "C.c"]);
  await world.line.pass(1000);
  world.there.clear();
  world.requests.open({ epoch: "e", offset: 7 }, 2);
  assert.deepEqual(world.requests.live, ["A.a", "B.b"]);
  await world.line.pass(1000);
  assert.deepEqual([...world.there], ["A.a", "B.b"]);
});

test("with a lower limit that is not announced, the channels beyond the limit are reported by name", async () => {
  const world = start(undefined, 3);
  const errors: string[] = [];
  world.emitter.on("error", ({ channels }) => errors.push(...channels));
  world.requests.open(undefined);
  world.add(["A.a", "B.b", "C.c", "D.d"]);
  await world.line.pass(2000);
  assert.equal(world.there.size, 3);
  assert.equal(errors.length, 1);
});

test("waits and idle show whether an answer is due", async () => {
  const world = start();
  world.requests.open(undefined);
  world.add(["A.trade"]);
  await world.line.pass(0);
  assert.ok(world.requests.waits);
  assert.ok(world.requests.idle(1));
  assert.ok(!world.requests.idle(0));
  await world.line.pass(5);
  assert.ok(!world.requests.waits);
});
