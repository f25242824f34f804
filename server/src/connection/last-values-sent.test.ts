/** Subscribing with `last`: what the client gets first. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { MAX_LAST_VALUES } from "@odin-ws/protocol";
import { CompactReader } from "./compact-reader.fixture.ts";
import { FakeClient } from "./fake-client.fixture.ts";
import { ManualTurns } from "./manual-time.fixture.ts";
import { World } from "./world.fixture.ts";

/** A.trade has the offsets 1 and 3, A.social 2, B.trade 4. */
function world(t: TestContext, options: ConstructorParameters<typeof World>[1] = {}): World {
  const made = new World(t, options);
  for (const channel of ["A.trade", "A.social", "A.trade", "B.trade"]) made.publish(channel);
  return made;
}
const LAST = { last: true };
const ask = (client: FakeClient, channels: string[], options: object = LAST) =>
  client.subscribe(channels, undefined, "e", options);
/** `[seq, offset, last]` of the received envelopes. */
const received = (client: FakeClient) =>
  client.envelopes().map(({ seq, offset, last }) => (last ? [seq, offset, last] : [seq, offset]));

for (const encoding of ["plain", "deflate", "compact"] as const) {
  test(`the newest message of each channel comes first, behind the acknowledgement; then what is newer (${encoding})`, (t) => {
    const stream = world(t, { compact: ["trade"] });
    const client = new FakeClient(stream, {
      deflateWindowBits: encoding === "deflate" ? 15 : 0,
      ...(encoding === "compact" && { compact: new CompactReader() }),
    });
    const channels = ["B.trade", "A.trade", "C.trade"];
    ask(client, channels);
    stream.publish("A.trade");
    const [ack, ...rest] = client.take();
    assert.deepEqual(ack, { type: "subscription_ack", subscribed: channels, count: 3, last: 2 });
    assert.deepEqual(
      rest.map((one) => "data" in one && [one.seq, one.offset, one.last, one.channel]),
      [
        [1, 3, true, "A.trade"],
        [2, 4, true, "B.trade"],
        [3, 5, undefined, "A.trade"],
      ],
    );
  });
}

test("without `last`, or with `last: false`, only new messages come, and the acknowledgement is as before", (t) => {
  const stream = world(t);
  for (const options of [{}, { last: false }]) {
    const client = new FakeClient(stream);
    ask(client, ["A.trade"], options);
    assert.deepEqual(client.take(), [{ type: "subscription_ack", subscribed: ["A.trade"], count: 1 }]);
  }
});

test("patterns bring the newest message of every channel that matches, each once", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  ask(client, ["A.*", "*.trade", "A.trade"]);
  assert.deepEqual(received(client), [
    [1, 2, true],
    [2, 3, true],
    [3, 4, true],
  ]);
});

test("patterns that match too many channels bring the newest ones; each of the others can be asked for", (t) => {
  const stream = new World(t);
  for (let n = 0; n < MAX_LAST_VALUES + 10; n++) stream.publish(`T${n}.trade`);
  for (const patterns of [["*.trade"], ["*.trade", "T5.*"]]) {
    const client = new FakeClient(stream);
    ask(client, patterns);
    const offsets = client.envelopes().map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      Array.from({ length: MAX_LAST_VALUES }, (_, n) => n + 11),
    );
    ask(client, ["T5.trade", "T500.trade"]);
    assert.deepEqual(received(client), [[MAX_LAST_VALUES + 1, 6, true]], "T500.trade was sent before");
  }
});

test("what this connection was sent does not come again", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  stream.publish("A.trade"); // 5
  assert.deepEqual(received(client), [[1, 5]]);
  ask(client, ["A.trade", "B.trade"]);
  assert.deepEqual(received(client), [[2, 4, true]]);
  ask(client, ["A.*", "B.trade"]);
  assert.deepEqual(received(client), [[3, 2, true]]);
  client.subscribe(["A.*", "B.trade"], 0);
  assert.deepEqual(
    received(client),
    [
      [4, 1],
      [5, 3],
    ],
    "`since` leaves out what came as a last value",
  );
  client.send({ type: "unsubscribe", channels: ["B.trade"] });
  ask(client, ["B.trade"]);
  assert.deepEqual(received(client), [[6, 4, true]], "a channel that was unsubscribed begins again");
});

test("a message that was dropped for a slow client comes as the last value", (t) => {
  const stream = world(t, { limits: { sendBufferBytes: 1000 } });
  const client = new FakeClient(stream);
  client.subscribe(["A.social"]);
  client.connection.shed(stream.make("A.social")); // 5
  ask(client, ["A.social"]);
  assert.deepEqual(received(client), [[1, 5, true]]);
  client.subscribe(["A.social"], 2);
  assert.deepEqual(received(client), [], "it no longer counts as dropped");
});

test("a message that has a sequence but was not sent fills its gap as the last value", (t) => {
  const stream = world(t, { limits: { sendBufferBytes: 1000 } });
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"]);
  client.socket.room = 0;
  stream.publish("A.trade", { size: 900 }); // 5, waits in the socket
  stream.publish("A.trade", { size: 900 }); // 6, has seq 2 but no room
  client.socket.read();
  client.take();
  ask(client, ["A.trade"]);
  assert.deepEqual(received(client), [[2, 6, true]]);
});

test("with `since`, last values come only when messages are lost", (t) => {
  const stream = world(t, { maxMessages: 2 });
  const client = new FakeClient(stream);
  client.subscribe(["A.trade", "A.social"], 2, "e", LAST);
  const [recovered, ...missed] = client.take();
  assert.ok(recovered?.type === "subscription_ack");
  assert.deepEqual([recovered.recovered, recovered.replayed, recovered.last], [true, 1, 0]);
  assert.deepEqual(
    missed.map((one) => "data" in one && [one.offset, one.last]),
    [[3, undefined]],
  );

  const late = new FakeClient(stream);
  late.subscribe(["A.trade", "A.social"], 1, "e", LAST);
  const [lost, ...values] = late.take();
  assert.ok(lost?.type === "subscription_ack");
  assert.deepEqual([lost.recovered, lost.replayed, lost.last], [false, 0, 2]);
  assert.deepEqual(
    values.map((one) => "data" in one && [one.offset, one.last]),
    [
      [2, true],
      [3, true],
    ],
  );
});

test("the permissions are those of subscribing", (t) => {
  const stream = world(t);
  const identity = { user: "u", expiresAt: 0, channels: ["A.*"] };
  const client = new FakeClient(stream, { identity });
  for (const channels of [["B.trade"], ["*.trade"], ["A.trade", "B.trade"]]) {
    ask(client, channels);
    const [error, ...rest] = client.take();
    assert.ok(error?.type === "error" && error.code === "forbidden_channel", channels.join());
    assert.deepEqual(rest, []);
  }
  ask(client, ["A.trade"]);
  assert.deepEqual(received(client), [[1, 3, true]]);
});

test("last values that still wait are sent even when their channel is unsubscribed meanwhile", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  client.connection.hold();
  ask(client, ["A.trade"]);
  client.send({ type: "unsubscribe", channels: ["A.trade"] });
  client.connection.release([]);
  const [ack, value, end] = client.take();
  assert.ok(ack?.type === "subscription_ack" && ack.last === 1);
  assert.ok(value !== undefined && "data" in value && value.offset === 3);
  assert.ok(end?.type === "subscription_ack" && end.count === 0);
});

test("a new stream has none of the old values", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  ask(client, ["A.trade"]);
  client.take();
  stream.context.history.begin("f", 0);
  stream.context.lastValues?.begin(0);
  client.connection.begin();
  stream.offset = 0;
  stream.make("A.trade"); // 1, before this client asks again
  ask(client, ["A.trade", "B.trade"]);
  assert.deepEqual(received(client), [], "A.trade is delivered live");
  const other = new FakeClient(stream);
  ask(other, ["*.*"]);
  assert.deepEqual(received(other), [[1, 1, true]]);
});

test("values that were looked up before another stream began do not come behind its beginning", (t) => {
  const turns = new ManualTurns(2);
  const stream = world(t, { turns: turns.turns });
  const client = new FakeClient(stream);
  client.subscribe(["A.trade"], 4, "e", { last: true, max_rate: 1 });
  assert.deepEqual(client.take(), [], "the values were looked up, and the answer was not sent");
  stream.replaceStream("f", [client.connection]);
  turns.settle();
  const answers = client.take();
  assert.deepEqual(
    answers.map(({ type }) => type),
    ["throttle_update", "subscription_ack"],
  );
  assert.ok(answers[1]?.type === "subscription_ack");
  assert.deepEqual([answers[1].recovered, answers[1].last], [false, 0]);
  stream.publish("A.trade");
  assert.deepEqual(received(client), [[1, 1]]);
});

test("a value that waits as a live message comes, although the channel that brought the message is unsubscribed", (t) => {
  const stream = world(t);
  const client = new FakeClient(stream);
  ask(client, ["A.trade"], {});
  client.connection.hold();
  stream.publish("A.trade"); // 5
  stream.publish("A.trade"); // 6
  ask(client, ["A.*"]);
  client.send({ type: "unsubscribe", channels: ["A.trade"] });
  client.connection.release([]);
  assert.deepEqual(received(client), [
    [1, 6],
    [2, 2, true],
  ]);
});

test("with a rate, a value that is still on its way does not come again with the next request", (t) => {
  const turns = new ManualTurns(2);
  const stream = world(t, { turns: turns.turns });
  const client = new FakeClient(stream);
  client.subscribe(["*.trade"], 4, "e", { last: true, max_rate: 1 });
  ask(client, ["A.trade"]);
  turns.settle();
  assert.deepEqual(received(client), [
    [1, 3, true],
    [2, 4, true],
  ]);
});

test("what a user asks for is charged: requests beyond the budget wait", (t) => {
  const stream = new World(t);
  const size = 40_000;
  for (let n = 0; n < MAX_LAST_VALUES; n++) stream.publish(`T${n}.trade`, { size });
  const identity = { user: "u", expiresAt: 0, channels: undefined };
  const first = new FakeClient(stream, { identity });
  ask(first, ["*.trade"]);
  assert.equal(first.envelopes().length, MAX_LAST_VALUES);
  const second = new FakeClient(stream, { identity });
  ask(second, ["T1.trade"]);
  assert.deepEqual(second.take(), [], "40 MB were sent to this user, the budget is 32 MiB");
  const other = new FakeClient(stream);
  ask(other, ["T1.trade"]);
  assert.equal(other.envelopes().length, 1);
  second.connection.close(1001, "end of the test");
});
