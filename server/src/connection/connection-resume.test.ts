import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { FakeClient, pairs } from "./fake-client.fixture.ts";
import { World } from "./world.fixture.ts";

/** A stream of 30 messages on two channels, alternating: A.trade is odd. */
function world(t: TestContext, options: ConstructorParameters<typeof World>[1] = {}): World {
  const made = new World(t, options);
  for (let i = 0; i < 15; i++) {
    made.publish("A.trade");
    made.publish("B.trade");
  }
  return made;
}
const offsets = (client: FakeClient) => client.envelopes().map(({ offset }) => offset);

test("since delivers the missed messages after the ack and before new messages", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"], 24);
  stream.publish("A.trade");
  const [ack, ...rest] = client.take();
  assert.deepEqual(ack, {
    type: "subscription_ack",
    subscribed: ["A.trade"],
    count: 1,
    recovered: true,
    replayed: 3,
  });
  assert.deepEqual(
    rest.map((one) => "data" in one && [one.seq, one.offset]),
    [
      [1, 25],
      [2, 27],
      [3, 29],
      [4, 31],
    ],
  );
});

test("for another epoch or an offset that left the history, recovered is false and live messages follow", (t) => {
  const stream = world(t, { maxMessages: 10 });
  const client = new FakeClient(stream);
  for (const [offset, epoch] of [
    [25, "old"],
    [19, "e"],
  ] as const) {
    client.subscribe(["A.trade"], offset, epoch);
    const [ack] = client.controls("subscription_ack");
    assert.deepEqual([ack?.recovered, ack?.replayed], [false, 0]);
  }
  stream.publish("A.trade");
  assert.deepEqual(offsets(client), [31]);
});

test("the end of the stream decides about a client that is ahead; later requests wait for their turn", async (t) => {
  for (const [end, recovered, first] of [
    [33, true, 34],
    [32, false, 31],
    [undefined, true, 34],
  ] as const) {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const stream = world(t, { streamEnd: () => promise });
    const client = new FakeClient(stream);
    client.subscribe(["A.trade"], 33);
    client.send({ type: "heartbeat" });
    client.subscribe(["B.trade"]);
    assert.deepEqual(client.take(), [], "everything waits for the end of the stream");
    resolve(end);
    await promise;
    await Promise.resolve();
    const answers = client.take();
    assert.deepEqual(
      answers.map(({ type }) => type).filter((type) => type !== "throttle_update"),
      ["subscription_ack", "heartbeat_ack", "subscription_ack"],
    );
    const notice = answers.find(({ type }) => type === "throttle_update");
    const since = notice !== undefined && "since" in notice ? notice.since : undefined;
    assert.deepEqual(since, recovered ? undefined : { epoch: "e.c", offset: 30 });
    const [ack] = answers;
    assert.ok(ack !== undefined && "recovered" in ack);
    assert.equal(ack.recovered, recovered, `the stream ends at ${end}`);
    for (let i = 0; i < 5; i++) stream.publish("A.trade");
    assert.equal(offsets(client)[0], first);
  }
});

test("a connection that is closed while the end of the stream is asked for is not subscribed", async (t) => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const stream = world(t, { streamEnd: () => promise });
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"], 33);
  client.connection.detach();
  resolve(33);
  await promise;
  await Promise.resolve();
  assert.equal(stream.context.fanout.subscriptions, 0);
});

test("another message at the client's offset means that the stream went back", (t) => {
  const stream = world(t);
  const ts = Date.now();
  for (const [since, recovered] of [
    [{ offset: 25, ts }, true],
    [{ offset: 25, ts: ts - 1 }, false],
    [{ offset: 25 }, true],
    [{ offset: 30, ts: ts - 1 }, false],
    [{ offset: 0, ts: ts - 1 }, true],
  ] as const) {
    const client = new FakeClient(stream);
    client.send({ type: "subscribe", channels: ["A.trade"], since: { epoch: "e", ...since } });
    const [ack] = client.controls("subscription_ack");
    assert.equal(ack?.recovered, recovered, JSON.stringify(since));
  }
});

test("a client from a gateway that was ahead gets no message twice", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["B.trade"]);
  client.subscribe(["A.trade"], 33);
  for (let i = 0; i < 4; i++) {
    stream.publish("A.trade");
    stream.publish("B.trade");
  }
  // The client got A up to 33 from the other gateway, and B from this one.
  assert.deepEqual(offsets(client), [32, 34, 35, 36, 37, 38]);
});

test("subscribing again to a channel, by name or by pattern, delivers only messages that were not delivered", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"], 20);
  assert.deepEqual(offsets(client), [21, 23, 25, 27, 29]);
  client.subscribe(["A.trade"], 22);
  assert.deepEqual(offsets(client), []);
  client.subscribe(["*.trade"], 26);
  assert.deepEqual(offsets(client), [28, 30]);
  stream.publish("A.trade");
  assert.deepEqual(offsets(client), [31]);
});

test("a long resume waits for the socket, and live messages wait behind it in order", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 100; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 50_000;
  client.subscribe(["A.trade", "B.trade"], 0);
  for (let i = 0; i < 5; i++) stream.publish("B.trade");
  assert.ok(client.socket.writableLength < 80_000, "the remaining messages wait outside the socket");
  client.send({ type: "heartbeat" });
  const got = client.take();
  for (let i = 0; i < 200 && client.connection.busy; i++) {
    client.socket.read(20_000);
    got.push(...client.take());
  }
  client.socket.read();
  stream.publish("A.trade");
  got.push(...client.take());
  const envelopes = got.flatMap((one) => ("data" in one ? [one] : []));
  const expected = Array.from({ length: 106 }, (_, index) => [index + 1, index + 1]);
  assert.deepEqual(pairs(envelopes), expected);
  const [heartbeat, ...others] = got.flatMap((one, index) =>
    one.type === "heartbeat_ack" ? [{ ...one, index }] : [],
  );
  assert.ok(heartbeat && others.length === 0);
  const before = got.slice(0, heartbeat.index).flatMap((one) => ("data" in one ? [one] : []));
  assert.equal(heartbeat.seq, before.length, "its seq is the last one before it");
  assert.ok(heartbeat.offset <= (before.at(-1)?.offset ?? 0));
  assert.equal(stream.context.tally.deliveries, 106);
});

test("a replay is refused while an earlier answer is being sent, and accepted later", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 60; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 1000;
  client.subscribe(["A.trade"], 0);
  client.send({ type: "replay", from_seq: 1, to_seq: 2 });
  client.socket.read();
  const [error] = client.controls("error");
  assert.equal(error?.code, "rate_limited");
  assert.equal(client.connection.busy, false);
  client.send({ type: "replay", from_seq: 1, to_seq: 2 });
  assert.deepEqual(pairs(client.envelopes()), [
    [1, 1],
    [2, 2],
  ]);
});

test("a replay continues each time the socket drains, and live messages follow it", (t) => {
  const stream = new World(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  for (let i = 0; i < 60; i++) stream.publish("A.trade", { size: 4000 });
  client.take();
  client.socket.room = 0;
  client.send({ type: "replay", from_seq: 1, to_seq: 60 });
  stream.publish("A.trade");
  for (let i = 0; i < 200 && client.connection.busy; i++) client.socket.read(10_000);
  client.socket.read();
  const got = client.take();
  assert.deepEqual(
    got.map((one) => ("data" in one ? one.seq : one.type)),
    [...Array.from({ length: 60 }, (_, index) => index + 1), "replay_end", 61],
  );
});

test("live messages behind a resume that never ends are limited: then the connection is closed with 1008", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 40; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 0;
  client.subscribe(["A.trade"], 0);
  let live = 0;
  for (; client.closed.length === 0 && live < 20_000; live++) {
    stream.publish("A.trade");
    if (live > 10_000) stream.pass(1);
  }
  assert.deepEqual(client.closed, [1008]);
  assert.ok(live <= 10_100, `${live} waited`);
});

test("the first shed message is announced at once, and all of them when the shedding has ended", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  client.take();
  for (let second = 0; second < 3; second++) {
    stream.shed("A.trade");
    stream.shed("B.trade");
    // The connection may end before the announcement at level 0, and the client must know of the gap.
    const notices = client
      .controls("throttle_update")
      .map((one) => [one.level, one.dropped, one.since.offset]);
    assert.deepEqual(notices, second === 0 ? [[1, 1, 30]] : []);
    stream.pass(1);
    assert.deepEqual(client.take(), [], "nothing more is announced while the shedding lasts");
  }
  stream.publish("A.trade");
  stream.pass(2);
  const got = client.take();
  assert.deepEqual(
    got.flatMap((one) => ("data" in one ? [[one.seq, one.offset]] : [])),
    [[1, 37]],
  );
  const update = got.at(-1);
  assert.ok(update?.type === "throttle_update");
  assert.deepEqual([update.level, update.dropped, update.since.offset], [0, 3, 30]);
  client.subscribe(["A.trade"], 30);
  assert.deepEqual(offsets(client), [31, 33, 35]);
  stream.pass(5);
  assert.deepEqual(client.take(), [], "announced once");
});

test("when another stream begins, old offsets are not valid and the new stream is delivered from its start", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"], 33);
  client.take();
  stream.context.history.begin("f", 0);
  stream.offset = 0;
  client.connection.begin();
  client.connection.announce("replaced");
  assert.deepEqual(client.controls("throttle_update")[0]?.since, { epoch: "f", offset: 0 });
  for (let i = 0; i < 3; i++) stream.publish("A.trade");
  assert.deepEqual(pairs(client.envelopes()), [
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  client.subscribe(["A.trade"], 30);
  assert.equal(client.controls("subscription_ack")[0]?.recovered, false);
  client.subscribe(["A.trade"], 0, "f");
  const [ack, ...again] = client.take();
  assert.ok(ack?.type === "subscription_ack" && ack.recovered === true);
  assert.deepEqual(again, [], "all were delivered before");
});

test("after the notice of another stream no message of the old one is delivered", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 60; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 50_000;
  client.subscribe(["A.trade"], 0);
  client.send({ type: "heartbeat" });
  stream.context.history.begin("f", 0);
  stream.offset = 0;
  client.connection.begin();
  client.connection.announce("replaced");
  stream.publish("A.trade");
  client.socket.read();
  const got = client.take();
  const notice = got.findIndex((one) => one.type === "throttle_update");
  assert.deepEqual(
    got.slice(notice + 1).flatMap((one) => ("data" in one ? [one.offset] : [])),
    [1],
    "the client would take an old offset for one of the new epoch",
  );
  const answer = got.slice(notice + 1).find((one) => one.type === "heartbeat_ack");
  assert.ok(answer, "an answer that waited is still sent");
  assert.ok(answer.offset <= 1, `its offset ${answer.offset} belongs to the new stream`);
});

test("an unsent message keeps its seq, whether a resume, a replay or both deliver it", (t) => {
  const stream = new World(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  client.socket.room = 0;
  for (let i = 0; i < 4; i++) stream.publish("A.trade", { size: 40_000 });
  client.socket.read();
  assert.deepEqual(pairs(client.envelopes()), [
    [1, 1],
    [2, 2],
  ]);
  client.subscribe(["A.trade"], 2);
  client.send({ type: "replay", from_seq: 3, to_seq: 4 });
  stream.publish("A.trade");
  client.subscribe(["A.trade"], 2);
  const numbers = Map.groupBy(client.envelopes(), ({ offset }) => offset);
  assert.deepEqual([...numbers.keys()], [3, 4, 5]);
  for (const [offset, same] of numbers) {
    assert.deepEqual(
      [...new Set(same.map(({ seq }) => seq))].length,
      1,
      `offset ${offset} came with several seqs`,
    );
  }
});

test("a gap in the stream is announced with the position before it, which cannot be recovered", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  client.take();
  stream.context.history.lose(50);
  client.connection.lost(30, 20);
  const [update] = client.controls("throttle_update");
  assert.deepEqual([update?.dropped, update?.since], [20, { epoch: "e", offset: 30 }]);
  client.subscribe(["A.trade"], 30);
  assert.equal(client.controls("subscription_ack")[0]?.recovered, false);
});

test("requests behind a resume that is not read are limited too", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 100; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 0;
  client.subscribe(["A.trade"], 0);
  for (let i = 0; i < 5000 && client.closed.length === 0; i++) client.send({ type: "heartbeat" });
  assert.deepEqual(client.closed, [1008]);
});

test("repeated resumes that are not read do not fill the memory", (t) => {
  const stream = new World(t);
  for (let i = 0; i < 100; i++) stream.publish("A.trade", { size: 4000 });
  const client = new FakeClient(stream);
  client.socket.room = 0;
  for (let i = 0; i < 300 && client.closed.length === 0; i++) {
    client.subscribe(["A.trade"], 0);
    client.send({ type: "unsubscribe", channels: ["A.trade"] });
  }
  client.socket.read();
  const waited = client.envelopes().length;
  assert.ok(waited <= 11_000, `${waited} envelopes waited, of a stream of 100`);
});
