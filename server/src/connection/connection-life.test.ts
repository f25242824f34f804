import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthError, type Identity } from "../entrance/auth.ts";
import { FakeClient } from "./fake-client.fixture.ts";
import { World } from "./world.fixture.ts";

const START = 1e6; // World's first second
const identity = (seconds: number, channels?: string[]): Identity => ({
  user: "ann",
  expiresAt: START + seconds,
  channels,
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("pings every 25 s, and closes a peer that is silent for two of them", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  const pings: number[] = [];
  for (let second = 1; second <= 90; second++) {
    world.pass(1);
    if (client.take().some(({ type }) => type === "ping")) pings.push(second);
    if (second < 75) assert.equal(client.terminated, false, `after ${second} s`);
  }
  assert.deepEqual(pings, [25, 50]);
  assert.equal(client.terminated, true);
});

test("a peer that answers from time to time stays connected", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  for (let i = 0; i < 20; i++) {
    world.pass(49);
    client.connection.markAlive();
  }
  assert.equal(client.terminated, false);
  assert.ok(client.take().length >= 38);
});

test("a connection is closed in the second in which its token expires, not before", (t) => {
  const world = new World(t);
  const client = new FakeClient(world, { identity: identity(40) });
  world.pass(39);
  assert.deepEqual(client.closed, []);
  world.pass(1);
  assert.deepEqual(client.closed, [4401]);
});

test("a new token extends the connection and removes channels that the token does not allow", async (t) => {
  const tokens: Record<string, Identity> = {
    longer: identity(100),
    narrow: identity(200, ["BTC.*"]),
    stranger: { ...identity(1000), user: "eve" },
  };
  const verify = async (token: string) => {
    const found = tokens[token];
    if (found === undefined) throw new AuthError("the token has expired");
    return found;
  };
  const world = new World(t, { verify });
  const client = new FakeClient(world, { identity: identity(40) });
  client.subscribe(["BTC.trade", "ETH.trade"]);
  const refresh = async (token: string) => {
    client.take();
    client.send({ type: "auth", token });
    await settled();
    return client.take()[0];
  };
  for (const token of ["stranger", "expired"]) {
    const answer = await refresh(token);
    assert.ok(answer?.type === "error" && answer.code === "unauthorized");
  }
  assert.equal((await refresh("longer"))?.type, "subscription_ack");
  world.pass(60);
  client.connection.markAlive();
  assert.deepEqual(client.closed, []);
  assert.deepEqual(await refresh("narrow"), {
    type: "subscription_ack",
    subscribed: ["BTC.trade"],
    count: 1,
  });
  client.subscribe(["ETH.trade"]);
  const [error] = client.controls("error");
  assert.equal(error?.code, "forbidden_channel");
  for (const channel of ["ETH.trade", "BTC.trade"]) world.publish(channel);
  assert.deepEqual(
    client.envelopes().map(({ channel }) => channel),
    ["BTC.trade"],
  );
  world.pass(40);
  client.connection.markAlive();
  world.pass(40);
  client.connection.markAlive();
  world.pass(59);
  assert.deepEqual(client.closed, []);
  world.pass(1);
  assert.deepEqual(client.closed, [4401]);
});

test("a closed connection gets no message, sends no ping and leaves nothing registered", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade", "*.*"]);
  world.shed("BTC.trade");
  client.take();
  client.connection.close(1012, "restart");
  client.connection.close(1008, "again");
  assert.deepEqual(client.closed, [1012]);
  const { fanout, degraded } = world.context;
  assert.deepEqual([fanout.subscriptions, degraded.size], [0, 0]);
  world.publish("BTC.trade");
  world.pass(100);
  client.connection.control({ type: "reconnect", in_ms: 1, reason: "x" });
  assert.deepEqual(client.take(), []);
});

test("a token that is accepted after the close does not reopen the connection", async (t) => {
  const verified = Promise.withResolvers<Identity>();
  const world = new World(t, { verify: () => verified.promise });
  const client = new FakeClient(world, { identity: identity(40) });
  client.send({ type: "auth", token: "slow" });
  client.connection.close(1012, "restart");
  client.connection.detach();
  verified.resolve(identity(4000));
  await settled();
  world.pass(200);
  assert.deepEqual([client.take(), client.terminated], [[], false]);
});

test("requests after the close change nothing", (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.connection.close(1012, "restart");
  client.subscribe(["BTC.trade"], 0);
  client.send({ type: "replay", from_seq: 1, to_seq: 5 });
  client.connection.detach(); // as the gateway does when the socket is gone
  assert.equal(world.context.fanout.subscriptions, 0);
  world.publish("BTC.trade");
  assert.deepEqual(client.take(), []);
});

test("a connection that has recovered is no longer checked every second", (t) => {
  const world = new World(t, { maxAgeMs: 30_000 });
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  client.socket.room = 0;
  for (let i = 0; i < 6; i++) world.publish("BTC.trade", { size: 40_000 });
  assert.equal(world.context.degraded.size, 1);
  client.socket.read();
  for (let i = 0; i < 3; i++) {
    world.pass(31);
    client.connection.markAlive();
    world.publish("BTC.trade", { priority: "critical" });
  }
  world.pass(2);
  assert.deepEqual([client.connection.level, world.context.degraded.size], [0, 0]);
});

test("a probe asks for a sign of life: an answer, or bytes that a slow client takes", async (t) => {
  const world = new World(t);
  const client = new FakeClient(world);
  client.subscribe(["BTC.trade"]);
  const WAIT_MS = 40;
  assert.equal(await client.connection.probe(WAIT_MS), false, "silent");
  const answered = client.connection.probe(10_000);
  client.send({ type: "heartbeat" });
  assert.equal(await answered, true);
  client.socket.room = 0;
  for (let n = 0; n < 3; n++) world.publish("BTC.trade", { size: 1000 });
  assert.equal(await client.connection.probe(WAIT_MS), false, "it takes nothing");
  const slow = client.connection.probe(WAIT_MS);
  client.socket.read(1500);
  assert.equal(await slow, true);
  client.connection.close(4401, "");
  assert.equal(await client.connection.probe(10_000), false, "it is closing");
});
