/** The policy `conflate`: what waits for a slow client, what is left out, and when the client is closed. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { CompactReader } from "./compact-reader.fixture.ts";
import { MAX_CONFLATED_CHANNELS } from "./conflation.ts";
import { FakeClient, pairs } from "./fake-client.fixture.ts";
import { ManualTurns } from "./manual-time.fixture.ts";
import { LIMITS, World } from "./world.fixture.ts";

const offsets = (client: FakeClient) => client.envelopes().map(({ offset }) => offset);

/** A client with `*.trade` that takes nothing, and whose buffer is full. */
function stalled(
  t: TestContext,
  options: { compact?: boolean; turns?: ManualTurns; subscribe?: object } = {},
) {
  const { compact, turns, subscribe } = options;
  const world = new World(t, { compact: ["trade"], ...(turns && { turns: turns.turns }) });
  const client = new FakeClient(world, {
    throttle: { policy: "conflate" },
    ...(compact && { compact: new CompactReader() }),
  });
  client.subscribe(["*.trade", "*.social"], undefined, "e", subscribe);
  client.take();
  client.socket.room = 0;
  fill(world);
  // Compressed messages leave room for one more.
  if (compact) world.publish("FULL4.trade", { size: LIMITS.sendBufferBytes / 4 });
  return { world, client };
}

function fill(world: World): void {
  const bytes = LIMITS.sendBufferBytes / 4;
  // The fourth message does not fit.
  for (const name of ["FULL1", "FULL2", "FULL3"]) world.publish(`${name}.trade`, { size: bytes });
}

for (const compact of [false, true]) {
  test(`a client that reads again gets the newest message of each channel, in order (${compact ? "compact" : "JSON"})`, (t) => {
    const { world, client } = stalled(t, { compact });
    const full = world.offset;
    const size = LIMITS.sendBufferBytes / 4;
    for (const name of ["A", "B", "A", "C", "B", "A"]) world.publish(`${name}.trade`, { size });
    assert.equal(world.context.tally.conflated, 3);
    assert.deepEqual(offsets(client), []);
    client.socket.read();
    assert.deepEqual(pairs(client.envelopes()).slice(full), [
      [full + 1, full + 4],
      [full + 2, full + 5],
      [full + 3, full + 6],
    ]);
    for (const name of ["A", "B"]) world.publish(`${name}.trade`);
    assert.deepEqual(offsets(client), [full + 7, full + 8], "now each message comes at once");
    assert.equal(world.context.tally.dropped, 0);
  });
}

test("messages leave as soon as the socket has taken its bytes, and further ones wait behind them", (t) => {
  const { world, client } = stalled(t);
  const size = LIMITS.sendBufferBytes / 4;
  for (const name of ["A", "B", "C", "D", "E", "F", "G"]) world.publish(`${name}.trade`, { size }); // 4 to 10
  client.socket.read(client.socket.writableLength);
  assert.deepEqual(offsets(client), [1, 2, 3]);
  world.publish("A.trade", { size }); // 11
  world.publish("G.trade", { size }); // 12
  client.socket.read();
  const got = offsets(client);
  assert.deepEqual(
    [...got].sort((a, b) => a - b),
    got,
  );
  assert.deepEqual(got.slice(-2), [11, 12]);
  assert.ok(!got.includes(10), "12 has replaced it");
});

test("what was left out comes with `since`, once; what waits comes once, too", (t) => {
  const { world, client } = stalled(t);
  const size = LIMITS.sendBufferBytes / 4;
  for (const name of ["A", "B", "A", "A"]) world.publish(`${name}.trade`, { size }); // 4 to 7
  client.subscribe(["*.trade"], 0);
  world.publish("A.trade"); // 8
  client.socket.read();
  assert.deepEqual(offsets(client), [1, 2, 3, 5, 7, 4, 6, 8]);
  client.subscribe(["*.trade"], 0);
  assert.deepEqual(offsets(client), []);
});

test("what waits comes before last values, without their mark", (t) => {
  const { world, client } = stalled(t);
  world.publish("A.metadata"); // 4
  const size = LIMITS.sendBufferBytes / 4;
  for (const name of ["A", "B", "A"]) world.publish(`${name}.trade`, { size }); // 5 to 7
  for (let i = 0; i < 2; i++) {
    client.subscribe(["A.trade", "A.metadata"], undefined, "e", { last: true });
  }
  client.socket.read();
  assert.deepEqual(
    client.envelopes().map(({ offset, last }) => [offset, last]),
    [
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [6, undefined],
      [7, undefined],
      [4, true],
    ],
  );
});

test("a heartbeat names the offset before the oldest message that waits", (t) => {
  const { world, client } = stalled(t);
  const size = LIMITS.sendBufferBytes / 4;
  for (const name of ["A", "B", "A"]) world.publish(`${name}.trade`, { size }); // 4 to 6
  client.send({ type: "heartbeat" });
  client.socket.read();
  assert.equal(client.controls("heartbeat_ack")[0]?.offset, 4);
  client.send({ type: "heartbeat" });
  assert.equal(client.controls("heartbeat_ack")[0]?.offset, 6, "what was left out is no loss");
});

test("after `unsubscribe` nothing of its channels comes, and another stream forgets what waits", (t) => {
  const { world, client } = stalled(t);
  const size = LIMITS.sendBufferBytes / 4;
  world.publish("A.trade", { size });
  world.publish("A.social", { size }); // 5
  client.send({ type: "unsubscribe", channels: ["*.trade"] });
  client.socket.read();
  assert.deepEqual(offsets(client), [1, 2, 3, 5]);
  client.socket.room = 0;
  for (let i = 0; i < 6; i++) world.publish("A.social", { size });
  world.begin("f");
  client.connection.begin();
  client.socket.read();
  client.take();
  world.publish("A.social");
  assert.deepEqual(offsets(client), [1]);
});

test("while an answer is sent, messages wait behind it: first all, then the newest ones", (t) => {
  const turns = new ManualTurns(0);
  const { world, client } = stalled(t, { turns });
  turns.settle();
  client.socket.read();
  const received = offsets(client).length;
  client.socket.room = 0;
  for (let i = 0; i < 3; i++) world.make("OLD.metadata", { size: 40_000 });
  client.subscribe(["OLD.metadata"], 0);
  turns.settle();
  const first = world.offset + 1;
  for (let i = 0; i < 3000; i++) world.publish(i % 2 === 0 ? "A.trade" : "B.trade");
  assert.equal(world.context.tally.dropped, 0);
  client.socket.read();
  turns.settle();
  const got = offsets(client);
  assert.deepEqual(
    [...got].sort((a, b) => a - b),
    got,
  );
  assert.ok(received + got.length < 1100, `${got.length} of 3000`);
  assert.deepEqual(got.slice(-2), [first + 2998, first + 2999]);
  client.subscribe(["*.trade"], 0);
  turns.settle();
  assert.equal(received + got.length + offsets(client).length, world.offset);
});

test("a message that comes late because of its rate waits like others, and is not sent twice", (t) => {
  const { world, client } = stalled(t, { subscribe: { max_rate: 1 } });
  const size = LIMITS.sendBufferBytes / 4;
  for (let i = 0; i < 3; i++) world.publish("A.trade", { size }); // 4 waits for room, 6 for its turn
  client.connection.markAlive();
  world.passMs(1000);
  client.socket.read();
  assert.deepEqual(offsets(client), [1, 2, 3, 6]);
  client.subscribe(["*.trade"], 0, "e", { max_rate: 1 });
  assert.deepEqual(offsets(client), [4, 5]);
});

test("messages of more channels than may wait are dropped and reported", (t) => {
  const { world, client } = stalled(t);
  world.publish("A.trade", { size: LIMITS.sendBufferBytes / 4 }); // 4
  for (let i = 0; i < MAX_CONFLATED_CHANNELS; i++) world.publish(`T${i}.trade`); // the last one is dropped
  const lost = world.offset;
  assert.equal(world.context.tally.dropped, 1);
  client.socket.read();
  assert.equal(offsets(client).length, 3 + MAX_CONFLATED_CHANNELS);
  for (let i = 0; i < 40; i++) {
    client.connection.markAlive();
    world.pass(1);
  }
  const notice = client.controls("throttle_update").at(-1);
  assert.deepEqual([notice?.level, notice?.dropped, notice?.since.offset], [0, 1, lost - 1]);
  client.subscribe(["*.trade"], lost - 1);
  assert.deepEqual(offsets(client), [lost]);
});

// Publishes large messages, and lets the client read some bytes in each second.
function run(world: World, client: FakeClient, seconds: number, bytesPerSecond: number): void {
  for (let i = 0; i < seconds && client.closed.length === 0; i++) {
    for (let n = 0; n < 4; n++) world.publish(`${n}.trade`, { size: 30_000 });
    client.socket.read(bytesPerSecond);
    client.connection.markAlive();
    world.pass(1);
  }
}

test("a client that takes some bytes is never closed; one that takes nothing for 10 s is, beyond the last level", (t) => {
  const { world, client } = stalled(t);
  run(world, client, 120, 60_000);
  assert.equal(client.connection.level, 3);
  assert.deepEqual(client.closed, []);
  const levels = client.controls("throttle_update").map(({ level, dropped }) => [level, dropped]);
  assert.deepEqual(levels, [
    [1, 0],
    [2, 0],
    [3, 0],
  ]);
  run(world, client, 9, 0);
  assert.deepEqual(client.closed, []);
  run(world, client, 3, 0);
  assert.deepEqual(client.closed, [1008]);
});

test("a client that never reads is closed after 10 s, also when no message comes any more", (t) => {
  const { world, client } = stalled(t);
  run(world, client, 9, 0);
  for (let n = 0; n < 4; n++) world.publish(`${n}.trade`, { size: 30_000 });
  assert.deepEqual(client.closed, []);
  world.pass(1);
  assert.deepEqual(client.closed, [1008]);
});

test("a client that does not take a large message is closed also when small ones would have room", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { throttle: { policy: "conflate" } });
  client.subscribe(["*.trade"]);
  client.take();
  client.socket.room = 0;
  world.publish("A.trade", { size: LIMITS.sendBufferBytes + 1 });
  world.publish("B.trade", { size: LIMITS.sendBufferBytes });
  for (let i = 0; i < 11; i++) {
    for (let n = 0; n < 4; n++) world.publish(`${n}.trade`);
    world.pass(1);
  }
  assert.deepEqual(client.closed, [1008]);
});

test("without levels, for example outside of the rollout, a slow client is closed as with the other policies", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { throttle: { policy: "conflate", maxLevel: 0 } });
  client.subscribe(["*.trade"]);
  client.socket.room = 0;
  fill(world);
  world.pass(1);
  for (let i = 0; i < 3; i++) world.publish("A.trade", { size: LIMITS.sendBufferBytes / 2 });
  world.pass(1);
  assert.deepEqual(client.closed, [1008]);
  assert.equal(world.context.tally.conflated, 0);
});

test("what was left out is remembered as long as the history, and then nothing is kept", (t) => {
  const { world, client } = stalled(t);
  for (let i = 0; i < 9; i++) world.publish("A.trade", { size: LIMITS.sendBufferBytes / 4 });
  client.socket.read();
  for (let i = 0; i < 60; i++) {
    client.connection.markAlive();
    world.pass(1);
  }
  assert.ok(world.context.degraded.has(client.connection));
  assert.ok(client.connection.lacks(5));
  for (let i = 0; i < 3600; i++) {
    client.connection.markAlive();
    world.pass(1);
  }
  assert.equal(world.context.degraded.size, 0);
  assert.ok(!client.connection.lacks(5));
});
