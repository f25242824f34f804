import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "../entrance/auth.ts";
import { FakeClient } from "./fake-client.fixture.ts";
import { ManualTurns } from "./manual-time.fixture.ts";
import { World } from "./world.fixture.ts";

const IDENTITY: Identity = { user: "ann", expiresAt: 0, channels: undefined };

test("requests behind a token that is being checked wait, and are answered in their order", async (t) => {
  let checked: (identity: Identity) => void = () => {};
  const world = new World(t, { verify: () => new Promise((resolve) => (checked = resolve)) });
  const client = new FakeClient(world, { identity: IDENTITY });
  client.send({ type: "auth", token: "t" });
  client.subscribe(["A.trade"]);
  client.send({ type: "heartbeat" });
  assert.deepEqual(client.take(), []);
  checked({ ...IDENTITY, channels: ["B.*"] });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    client.take().map((one) => [one.type, "count" in one ? one.count : undefined, "code" in one && one.code]),
    [
      ["subscription_ack", 0, false],
      ["error", undefined, "forbidden_channel"],
      ["heartbeat_ack", undefined, false],
    ],
    "the new token counts for the requests behind it",
  );
});

test("answers come behind a resume that is being sent, in the order of the requests", (t) => {
  const world = new World(t);
  for (let i = 0; i < 60; i++) world.publish("A.trade", { size: 4000 });
  const client = new FakeClient(world);
  client.socket.room = 1000;
  client.subscribe(["A.trade"], 0);
  client.send({ type: "heartbeat" });
  client.subscribe(["B.trade"]);
  client.send({ type: "replay", from_seq: 1, to_seq: 1 });
  client.subscribe(["C.trade"], 0);
  client.send({ type: "nonsense" });
  client.send({ type: "unsubscribe", channels: ["B.trade"] });
  client.socket.read();
  assert.deepEqual(
    client.take().flatMap((one) => ("data" in one ? [] : [[one.type, "count" in one ? one.count : 0]])),
    [
      ["subscription_ack", 1],
      ["heartbeat_ack", 0],
      ["subscription_ack", 2],
      ["error", 0],
      ["subscription_ack", 3],
      ["error", 0],
      ["subscription_ack", 2],
    ],
  );
});

test("an unsubscribed channel brings no further message, also in the middle of its resume", (t) => {
  const world = new World(t);
  for (let i = 0; i < 60; i++) world.publish(i % 2 === 0 ? "A.trade" : "B.trade", { size: 4000 });
  const client = new FakeClient(world);
  client.socket.room = 1000;
  client.subscribe(["A.trade", "B.trade"], 0);
  client.send({ type: "unsubscribe", channels: ["A.trade"] });
  world.publish("A.trade");
  client.subscribe(["A.trade"]);
  const later = world.publish("A.trade");
  client.socket.read();
  const got = client.envelopes();
  const ofA = got.filter(({ channel }) => channel === "A.trade").map(({ offset }) => offset);
  assert.ok(ofA.length < 20, "those that were written before are sent, the others are not");
  assert.equal(ofA.at(-1), later);
  assert.equal(got.filter(({ channel }) => channel === "B.trade").length, 30);
  assert.deepEqual(
    got.map(({ seq }) => seq),
    got.map((_, index) => index + 1),
  );
});

test("messages that arrive while a resume is collected and sent in many turns come behind it, once", (t) => {
  const turns = new ManualTurns(0.3);
  const world = new World(t, { turns: turns.turns });
  for (let i = 0; i < 3000; i++) world.publish(`S${i % 7}.trade`);
  const client = new FakeClient(world);
  const neighbour = new FakeClient(world);
  neighbour.subscribe(["LIVE.trade"]);
  turns.settle();
  client.subscribe(["*.trade"], 0);
  let count = 0;
  do {
    assert.equal(neighbour.envelopes().length, count > 0 ? 1 : 0, "a neighbour waits for no turn");
    world.publish("LIVE.trade");
    count++;
  } while (turns.take());
  assert.ok(count > 100, `${count} turns`);
  assert.deepEqual(
    client.envelopes().map(({ seq, offset }) => [seq, offset]),
    Array.from({ length: 3000 + count }, (_, index) => [index + 1, index + 1]),
  );
});

test("a resume that loses its history while it waits reports recovered: false, and live messages follow", (t) => {
  const turns = new ManualTurns(2);
  const world = new World(t, { turns: turns.turns, maxMessages: 3000 });
  for (let i = 0; i < 3000; i++) world.publish("A.trade");
  const client = new FakeClient(world);
  client.subscribe(["*.*"], 0);
  for (let i = 0; i < 2000; i++) world.publish("A.trade");
  turns.settle();
  const [ack, ...rest] = client.take();
  assert.ok(ack?.type === "subscription_ack" && ack.recovered === false && ack.replayed === 0);
  assert.deepEqual(
    rest.map((one) => "data" in one && one.offset),
    Array.from({ length: 2000 }, (_, index) => 3001 + index),
  );
});

test("when another stream begins in the middle of a resume, nothing of the old one follows", (t) => {
  const turns = new ManualTurns(2);
  const world = new World(t, { turns: turns.turns });
  for (let i = 0; i < 3000; i++) world.publish("A.trade");
  const client = new FakeClient(world);
  client.subscribe(["*.*"], 0);
  world.context.history.begin("f", 0);
  world.offset = 0;
  client.connection.begin();
  world.publish("A.trade");
  turns.settle();
  const [ack, ...rest] = client.take();
  assert.ok(ack?.type === "subscription_ack" && ack.recovered === false);
  assert.deepEqual(
    rest.map((one) => "data" in one && one.offset),
    [1],
  );
});

test("connections of one user share the budget for the history, and those of others do not wait", async (t) => {
  const world = new World(t);
  const [first, second, other] = ["ann", "ann", "bob"].map(
    (user) => new FakeClient(world, { identity: { ...IDENTITY, user } }),
  ) as [FakeClient, FakeClient, FakeClient];
  for (let i = 0; i < 30_000; i++) world.make("A.trade");
  for (let round = 0; round < 2; round++) {
    first.subscribe(["A.*"], 0);
    first.send({ type: "unsubscribe", channels: ["A.*"] });
  }
  assert.equal(first.envelopes().length, 60_000);
  second.subscribe(["A.*"], 29_990);
  second.send({ type: "heartbeat" });
  other.subscribe(["A.*"], 29_990);
  assert.deepEqual(second.take(), []);
  assert.equal(other.envelopes().length, 10);
  world.context.replayBudget.sweep(Date.now() + 60_000);
  second.send({ type: "heartbeat" });
  assert.deepEqual(
    second
      .take()
      .map(({ type }) => type)
      .filter((type) => type !== "envelope"),
    ["subscription_ack", "heartbeat_ack", "heartbeat_ack"],
  );
});

test("requests that cannot wait any more are refused in their order", (t) => {
  const world = new World(t, { verify: () => new Promise(() => {}) });
  const client = new FakeClient(world, { identity: IDENTITY });
  client.send({ type: "auth", token: "t" });
  for (let i = 0; i < 500; i++) client.send({ type: "heartbeat" });
  assert.deepEqual(client.take(), []);
  assert.deepEqual(client.closed, []);
});
