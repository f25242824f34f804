/** What leaves a connection together, and what does not wait. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BATCH_BYTES } from "../outgoing/write-batch.ts";
import { FakeClient, pairs } from "./fake-client.fixture.ts";
import { ManualWrites } from "./manual-time.fixture.ts";
import { World } from "./world.fixture.ts";

/** A subscribed client whose writes the test controls. */
function start(t: TestContext, { delayMs = 0, sendBufferBytes = 100_000 } = {}) {
  const writes = new ManualWrites(delayMs);
  const world = new World(t, { writes, limits: { sendBufferBytes } });
  const client = new FakeClient(world);
  client.subscribe(["A.trade", "A.social", "A.balances"]);
  writes.settle();
  client.take();
  const before = client.socket.received.length;
  return { writes, world, client, written: () => client.socket.received.length - before };
}

test("everything that becomes due in one turn leaves in one write, in order", (t) => {
  const { writes, world, client, written } = start(t);
  world.publish("A.trade");
  client.send({ type: "heartbeat" });
  world.publish("A.social", { size: 70 });
  client.connection.ping();
  world.publish("A.trade");
  assert.equal(written(), 0);
  assert.equal(writes.endTurn(), true);
  assert.equal(written(), 1);
  assert.deepEqual(
    client.take().map(({ type }) => type),
    ["envelope", "heartbeat_ack", "envelope", "ping", "envelope"],
  );
  assert.equal(writes.endTurn(), false);
  world.publish("A.trade");
  writes.endTurn();
  assert.equal(written(), 2);
  assert.deepEqual(pairs(client.envelopes()), [[4, 4]]);
});

test("a connection waits once for the end of the turn, and once for the end of the delay", (t) => {
  const { writes, world } = start(t, { delayMs: 20 });
  const queued = ["queueSoon", "queueLater"] as const;
  const [soon, later] = queued.map((name) => t.mock.method(world.context.writes, name));
  const counts = () => [soon?.mock.callCount(), later?.mock.callCount()];
  for (let i = 0; i < 3; i++) world.publish("A.trade");
  assert.deepEqual(counts(), [0, 1]);
  for (let i = 0; i < 3; i++) world.publish("A.balances");
  world.publish("A.trade");
  assert.deepEqual(counts(), [1, 1]);
  writes.endTurn();
  world.publish("A.trade");
  assert.deepEqual(counts(), [1, 1], "the delay that has begun is used");
  writes.settle();
  world.publish("A.trade");
  world.publish("A.balances");
  assert.deepEqual(counts(), [2, 2]);
});

test("a resume leaves in as few writes as its bytes need", (t) => {
  const { writes, world, client, written } = start(t);
  for (let i = 0; i < 20; i++) world.publish("B.trade", { size: 100 });
  client.subscribe(["B.trade"], 0);
  writes.settle();
  assert.equal(written(), 1);
  const [ack, ...envelopes] = client.take();
  assert.equal(ack?.type, "subscription_ack");
  assert.equal(envelopes.length, 20);
});

test("a large message leaves alone, and no write with several frames is larger than the batch", (t) => {
  const { writes, world, client } = start(t);
  const before = client.socket.received.length;
  for (const size of [10, BATCH_BYTES, 10, 10, 9000, 9000]) world.publish("A.trade", { size });
  writes.endTurn();
  const sizes = client.socket.received.slice(before).map(({ length }) => length);
  assert.deepEqual(
    sizes.map((bytes) => (bytes > BATCH_BYTES ? "large" : bytes < 1000 ? "small" : "batch")),
    ["small", "large", "batch", "batch"],
  );
  assert.deepEqual(
    client.envelopes().map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6],
  );
});

test("with a write delay messages wait for it, but critical ones and answers do not", (t) => {
  const { writes, world, client, written } = start(t, { delayMs: 20 });
  world.publish("A.trade");
  world.publish("A.trade");
  assert.equal(writes.endTurn(), false, "nothing is due in this turn");
  world.publish("A.balances");
  assert.equal(written(), 0);
  writes.endTurn();
  assert.equal(written(), 1);
  assert.deepEqual(
    client.envelopes().map(({ offset }) => offset),
    [1, 2, 3],
    "a critical message takes along what waits, so that the order stays",
  );
  world.publish("A.social");
  writes.endTurn();
  assert.equal(written(), 1);
  client.send({ type: "heartbeat" });
  writes.endTurn();
  assert.deepEqual(
    client.take().map(({ type }) => type),
    ["envelope", "heartbeat_ack"],
  );
  world.publish("A.trade");
  assert.equal(writes.endDelay(), true);
  assert.equal(written(), 3, "the delay that the first message began ends for this one too");
  assert.equal(writes.endDelay(), false);
});

test("a close writes what waits before the close frame, and nothing after it", (t) => {
  const { writes, world, client, written } = start(t, { delayMs: 20 });
  world.publish("A.trade");
  client.connection.control({ type: "reconnect", in_ms: 1, reason: "test" });
  client.connection.close(1012, "restart");
  assert.equal(written(), 1);
  assert.deepEqual(
    client.take().map(({ type }) => type),
    ["envelope", "reconnect"],
  );
  assert.deepEqual(client.closed, [1012]);
  client.connection.ping();
  writes.settle();
  assert.equal(written(), 1);
});

test("nothing is written to a socket that the client has left", (t) => {
  const { writes, world, client, written } = start(t);
  world.publish("A.trade");
  client.socket.writable = false;
  client.connection.detach();
  writes.settle();
  assert.equal(written(), 0);
});

test("what waits for its turn never makes a client slow that takes everything", (t) => {
  const { writes, world, client } = start(t, { sendBufferBytes: 1024 });
  for (let i = 0; i < 50; i++) world.publish("A.trade", { size: 200 });
  client.send({ type: "subscribe", channels: Array.from({ length: 250 }, (_, i) => `C${i}.trade`) });
  writes.settle();
  assert.equal(client.connection.level, 0);
  assert.equal(client.connection.missed, undefined);
  assert.deepEqual(client.closed, []);
  assert.equal(client.envelopes().length, 50);
});

test("what waits counts as buffered: a client that takes nothing misses the same messages", (t) => {
  const missed = (delayMs: number | undefined) => {
    const writes = delayMs === undefined ? undefined : new ManualWrites(delayMs);
    const world = new World(t, writes === undefined ? {} : { writes });
    const client = new FakeClient(world);
    client.subscribe(["A.trade"]);
    writes?.settle();
    client.socket.room = 0;
    // The messages of each round become due in one turn.
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) world.publish("A.trade", { size: 9000 });
      writes?.endTurn();
    }
    const { connection } = client;
    return [connection.level, connection.seq, connection.missed?.size, connection.missed?.completeUpTo];
  };
  const expected = missed(undefined);
  assert.deepEqual(expected.slice(2), [2, 10]);
  assert.deepEqual(missed(0), expected);
  assert.deepEqual(missed(50), expected);
});
