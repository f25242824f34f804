import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClient, pairs } from "./fake-client.fixture.ts";
import { World } from "./world.fixture.ts";

const BIG = 40_000; // bytes; two such messages fit into the send buffer

/** Stops the client's reading and fills its buffer. Returns the number of envelopes in the buffer. */
function stall(world: World, client: FakeClient): number {
  client.socket.room = 0;
  let sent = 0;
  const seq = () => client.connection.seq;
  for (const before = seq(); client.socket.writableLength + BIG < 100_000; sent = seq() - before) {
    world.publish("BTC.trade", { size: BIG });
  }
  return sent;
}
function fail(world: World, times: number, priority = "high"): void {
  for (let i = 0; i < times; i++) world.publish("BTC.trade", { size: BIG, priority });
}

/** Fails sends until the client has risen by this many levels; each of them is held for 3 s. */
function raise(world: World, levels: number): void {
  for (let level = 0; level < levels; level++) {
    fail(world, 3, "critical");
    world.pass(3);
  }
}

test("a stall of a second, in which many sends fail, costs one level and not the connection", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  stall(world, client);
  for (let i = 0; i < 10; i++) fail(world, 20, "critical");
  world.pass(1);
  fail(world, 20, "critical");
  assert.deepEqual([client.closed, client.connection.level], [[], 1]);
  client.socket.read();
  world.pass(30);
  assert.deepEqual([client.closed, client.connection.level], [[], 0]);
  assert.deepEqual(
    world.logged.map(({ text, from, to }) => [text, from, to]),
    [
      ["connection throttled", 0, 1],
      ["connection throttled", 1, 0],
    ],
  );
});

test("subscribers get the messages of their channels, numbered from 1 without a gap", (t) => {
  const world = new World(t);
  const [ann, bob] = [new FakeClient(world), new FakeClient(world, { deflateWindowBits: 0 })];
  world.publish("BTC.trade");
  ann.subscribe(["BTC.trade", "odin.token.ETH.social"]);
  bob.subscribe(["*.trade"]);
  assert.deepEqual(ann.controls("subscription_ack"), [
    { type: "subscription_ack", subscribed: ["BTC.trade", "ETH.social"], count: 2 },
  ]);
  for (const channel of ["BTC.trade", "BTC.social", "ETH.social", "ETH.trade", "BTC.trade"])
    world.publish(channel);
  assert.deepEqual(pairs(ann.envelopes()), [
    [1, 2],
    [2, 4],
    [3, 6],
  ]);
  assert.deepEqual(pairs(bob.envelopes()), [
    [1, 2],
    [2, 5],
    [3, 6],
  ]);
  ann.send({ type: "unsubscribe", channels: ["BTC.trade"] });
  world.publish("BTC.trade");
  assert.deepEqual(ann.envelopes(), []);
  assert.equal(world.context.tally.deliveries, 7);
});

test("overlapping patterns deliver a message once", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade", "BTC.*", "*.trade", "*.*"]);
  for (let i = 0; i < 3; i++) world.publish("BTC.trade");
  assert.deepEqual(pairs(client.envelopes()), [
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});

test("with a full buffer a message takes its seq, and the client sees the gap and gets the message by replay", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  const sent = stall(world, client);
  fail(world, 2);
  assert.equal(client.connection.seq, sent + 2);
  client.socket.read();
  const before = pairs(client.envelopes());
  assert.equal(before.length, sent);
  world.publish("BTC.trade");
  assert.deepEqual(pairs(client.envelopes()), [[sent + 3, sent + 3]]);
  client.send({ type: "replay", from_seq: sent + 1, to_seq: sent + 2 });
  const answer = client.take();
  assert.deepEqual(
    answer.slice(0, 2).map((one) => "data" in one && [one.seq, one.offset]),
    [
      [sent + 1, sent + 1],
      [sent + 2, sent + 2],
    ],
  );
  assert.deepEqual(answer.slice(2), [
    { type: "replay_end", from_seq: sent + 1, to_seq: sent + 2, sent: 2, missing: 0 },
  ]);
  assert.equal(client.connection.seq, sent + 3, "a replay takes no seq");
});

test("a replay reports how many messages are missing, and counts only seqs that exist", (t) => {
  const world = new World(t, { limits: { replayBuffer: 5 } });
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  for (let i = 0; i < 12; i++) world.publish("BTC.trade");
  client.take();
  client.send({ type: "replay", from_seq: 6, to_seq: 1e9 });
  const answer = client.take();
  assert.deepEqual(
    answer.flatMap((one) => ("data" in one ? [one.seq] : [])),
    [8, 9, 10, 11, 12],
  );
  assert.deepEqual(answer.at(-1), { type: "replay_end", from_seq: 6, to_seq: 1e9, sent: 5, missing: 2 });
  client.send({ type: "replay", from_seq: 50, to_seq: 60 });
  assert.deepEqual(client.take(), [{ type: "replay_end", from_seq: 50, to_seq: 60, sent: 0, missing: 0 }]);
});

test("a client that reads nothing rises level by level and is closed with 1008, in bounded memory", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  const neighbour = new FakeClient(world);
  for (const one of [client, neighbour]) one.subscribe(["BTC.trade"]);
  const sent = stall(world, client);
  const levels: number[] = [];
  let failures = 0;
  for (; client.closed.length === 0 && failures < 50; failures++) {
    levels.push(client.connection.level);
    world.pass(1);
    fail(world, 1, "critical");
    assert.ok(client.socket.writableLength < 110_000);
  }
  assert.deepEqual(levels, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  assert.deepEqual(client.closed, [1008]);
  fail(world, 3);
  assert.equal(client.connection.seq, sent + failures, "a connection that is closing gets nothing");
  assert.equal(neighbour.envelopes().length, sent + failures + 3, "another client is not affected");
  client.socket.read();
  const updates = client.controls("throttle_update");
  assert.deepEqual(
    updates.map(({ level, rate_percent }) => [level, rate_percent]),
    [
      [1, 75],
      [2, 50],
      [3, 25],
    ],
  );
});

test("at the last level a client that does not read is closed even when no message passes", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  stall(world, client);
  raise(world, 3);
  assert.equal(client.connection.level, 3);
  world.pass(1);
  world.pass(2);
  fail(world, 3, "low");
  assert.deepEqual(client.closed, [1008]);
});

test("dropped messages take no seq; back at level 0 the client is notified and can get exactly them", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade", "BTC.social", "BTC.metadata"]);
  stall(world, client);
  raise(world, 2);
  client.socket.read();
  client.take();
  const before = client.connection.seq;
  const since = world.offset;
  const lost = [world.publish("BTC.metadata"), world.publish("BTC.social")];
  world.publish("BTC.trade");
  lost.push(world.publish("BTC.social"));
  assert.equal(client.connection.seq, before + 1);
  world.pass(30);
  const first = client.controls("throttle_update");
  assert.deepEqual(
    first.map(({ level, dropped }) => [level, dropped]),
    [[1, 3]],
  );
  world.publish("BTC.social");
  world.pass(30);
  const [update, ...others] = client.controls("throttle_update");
  assert.equal(others.length, 0);
  assert.deepEqual([update?.level, update?.dropped, update?.rate_percent], [0, 3, 100]);
  assert.deepEqual(update?.since, { epoch: "e", offset: since });
  client.subscribe(["BTC.trade", "BTC.social", "BTC.metadata"], since);
  const answer = client.take();
  const [ack] = answer;
  assert.ok(ack?.type === "subscription_ack" && ack.recovered === true && ack.replayed === 3);
  assert.deepEqual(
    answer.flatMap((one) => ("data" in one ? [one.offset] : [])),
    lost,
  );
  client.subscribe(["BTC.trade", "BTC.social", "BTC.metadata"], since);
  assert.deepEqual(client.envelopes(), [], "a second request delivers nothing again");
  world.pass(2);
  assert.deepEqual(client.take(), []);
});

test("when dropped messages have left the history, the backfill reports recovered: false", (t) => {
  const world = new World(t, { maxMessages: 20 });
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade", "BTC.metadata"]);
  stall(world, client);
  fail(world, 3);
  client.socket.read();
  for (let i = 0; i < 40; i++) world.publish("BTC.metadata");
  world.pass(30);
  const update = client.controls("throttle_update").at(-1);
  assert.deepEqual([update?.level, update?.dropped], [0, 40]);
  client.subscribe(["BTC.trade", "BTC.metadata"], update?.since.offset);
  const [ack] = client.take();
  assert.ok(ack?.type === "subscription_ack" && ack.recovered === false);
});

test("with throttling off a slow client is closed after three failures", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { throttle: { maxLevel: 0 } });
  client.subscribe(["BTC.trade"]);
  stall(world, client);
  fail(world, 2, "low");
  world.pass(2);
  fail(world, 1, "low");
  assert.deepEqual([client.closed, client.connection.level], [[1008], 0]);
});

test("a client that is given more than it can take is not closed while it takes bytes", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  stall(world, client);
  fail(world, 20, "critical");
  assert.deepEqual(client.closed, [], "no time has passed in which it could take any");
  for (let second = 0; second < 30; second++) {
    client.socket.read(BIG + 1000);
    fail(world, 12, "critical");
    world.pass(1);
    client.connection.markAlive();
  }
  assert.deepEqual([client.closed, client.connection.level], [[], 3]);
  world.pass(2);
  assert.deepEqual(client.closed, [1008], "now it takes nothing, and nothing new has to come for the close");
});

test("a message larger than twice the buffer may be on its way with answers and others behind it", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  client.socket.room = 100;
  const big = world.publish("BTC.trade", { size: 300_000 });
  for (let i = 0; i < 10; i++) client.send({ type: "heartbeat" });
  for (let i = 0; i < 9; i++) world.publish("BTC.trade", { size: 10_000 });
  assert.deepEqual([client.closed, client.connection.level], [[], 0]);
  client.socket.read();
  assert.deepEqual(
    client.envelopes().map(({ offset }) => offset),
    Array.from({ length: 10 }, (_, index) => big + index),
  );
});

test("a silent client is not cut off while it takes bytes of what waits before the ping", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  client.socket.room = 0;
  for (let i = 0; i < 20; i++) world.publish("BTC.trade", { size: 4000 });
  world.pass(24);
  for (let ping = 0; ping < 8; ping++) {
    client.socket.read(5000);
    world.pass(25);
    assert.equal(client.terminated, false);
  }
  world.pass(75);
  assert.equal(client.terminated, true);
});

test("rate policy: at level 2 half of the messages pass", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { throttle: { policy: "rate" } });
  client.subscribe(["BTC.*"]);
  stall(world, client);
  raise(world, 2);
  client.socket.read();
  client.take();
  for (let i = 0; i < 200; i++) world.publish(i % 2 === 0 ? "BTC.trade" : "BTC.metadata");
  const passed = client.envelopes();
  assert.ok(Math.abs(passed.length - 100) <= 8, `${passed.length} of 200`);
  assert.ok(
    passed.filter(({ priority }) => priority === "high").length >= 92,
    "low messages are dropped first",
  );
});

test("a client that sends requests and does not read the answers is closed with 1008", (t) => {
  for (const question of [{ type: "heartbeat" }, { type: "nonsense" }]) {
    const world = new World(t);
    const client = new FakeClient(world);
    client.socket.room = 0;
    let asked = 0;
    for (; asked < 30_000 && client.closed.length === 0; asked++) client.send(question);
    assert.deepEqual(client.closed, [1008], `${question.type}: ${asked} answers are waiting`);
    assert.ok(client.socket.writableLength < 210_000);
  }
});

test("a client that sends heartbeats but reads nothing is throttled and closed too", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  client.socket.room = 0;
  let live = 0;
  for (; live < 30_000 && client.closed.length === 0; live++) {
    if (live % 50 === 0) {
      client.send({ type: "heartbeat" });
      world.pass(1);
    }
    world.publish("BTC.trade", { size: 2000 });
  }
  assert.deepEqual(client.closed, [1008], `${live} messages wait for a client that reads nothing`);
  assert.ok(live < 500, `closed after ${live} messages of 2 KB, but the buffer holds 50`);
});

test("a message larger than the whole buffer still reaches a client that reads", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  world.publish("BTC.trade", { size: 300_000 });
  assert.deepEqual(pairs(client.envelopes()), [[1, 1]]);
});

test("when more messages were dropped than are remembered, the backfill reports recovered: false", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade", "BTC.metadata"]);
  stall(world, client);
  fail(world, 3);
  client.socket.read();
  const since = world.offset;
  for (let i = 0; i < 10_010; i++) world.publish("BTC.metadata");
  world.pass(30);
  assert.deepEqual(client.controls("throttle_update").at(-1)?.since.offset, since);
  client.subscribe(["BTC.trade", "BTC.metadata"], since);
  assert.equal(client.controls("subscription_ack")[0]?.recovered, false);
  client.subscribe(["BTC.trade", "BTC.metadata"], since + 10);
  assert.equal(client.controls("subscription_ack")[0]?.replayed, 10_000);
  world.pass(2);
  client.subscribe(["BTC.trade", "BTC.metadata"], since);
  assert.equal(client.controls("subscription_ack")[0]?.recovered, false, "10 of them are still forgotten");
});
