/** Subscribing with `max_rate`: what is left out, what comes later, and what a client can still ask for. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { covers } from "@odin-ws/protocol";
import fc from "fast-check";
import { CompactReader } from "./compact-reader.fixture.ts";
import { FakeClient, type ReceivedEnvelope } from "./fake-client.fixture.ts";
import { World } from "./world.fixture.ts";

const subscribe = (client: FakeClient, channels: string[], options: object = {}) =>
  client.subscribe(channels, undefined, "e", options);
/** Offsets of the received envelopes. */
const offsets = (client: FakeClient) => client.envelopes().map(({ offset }) => offset);

function start(t: TestContext, channels: string[], options: object, compact = false) {
  const world = new World(t, { compact: ["trade"] });
  const client = new FakeClient(world, compact ? { compact: new CompactReader() } : {});
  subscribe(client, channels, options);
  client.take();
  return { world, client };
}

for (const compact of [false, true]) {
  test(`the first message comes at once, then the newest one after each interval (${compact ? "compact" : "JSON"})`, (t) => {
    const { world, client } = start(t, ["A.trade"], { max_rate: 4 }, compact);
    world.publish("A.trade"); // 1
    assert.deepEqual(offsets(client), [1]);
    for (let i = 0; i < 4; i++) world.publish("A.trade"); // 2 to 5
    world.passMs(249);
    assert.deepEqual(offsets(client), []);
    world.passMs(1);
    const [newest] = client.envelopes();
    assert.deepEqual([newest?.seq, newest?.offset], [2, 5], "what was left out has no sequence");
    world.passMs(250);
    world.publish("A.trade"); // 6
    assert.deepEqual(offsets(client), [6], "a quiet channel sends its next message at once");
    assert.equal(world.leftOut, 3);
  });
}

test("each channel of a pattern has its own rate", (t) => {
  const { world, client } = start(t, ["*.trade"], { max_rate: 1 });
  for (const channel of ["A.trade", "B.trade", "A.trade", "A.trade", "B.social"]) world.publish(channel);
  assert.deepEqual(offsets(client), [1, 2]);
  world.passMs(1000);
  assert.deepEqual(offsets(client), [4]);
});

test("of several channels and patterns that match, the one with the highest rate counts", (t) => {
  const { world, client } = start(t, ["*.trade"], { max_rate: 1 });
  subscribe(client, ["A.*"], { max_rate: 2 });
  subscribe(client, ["B.trade"]);
  client.take();
  for (let i = 0; i < 10; i++) {
    for (const channel of ["A.trade", "B.trade", "C.trade"]) world.publish(channel);
    world.passMs(100);
  }
  const count = new Map<string, number>();
  for (const { channel } of client.envelopes()) count.set(channel, (count.get(channel) ?? 0) + 1);
  assert.deepEqual(Object.fromEntries(count), { "A.trade": 3, "B.trade": 10, "C.trade": 2 });
});

test("what was left out comes with `since`, once", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  for (let i = 0; i < 4; i++) world.publish("A.trade");
  world.passMs(1000);
  assert.deepEqual(offsets(client), [1, 4]);
  client.subscribe(["A.trade"], 0, "e", { max_rate: 1 });
  assert.deepEqual(offsets(client), [2, 3]);
  client.subscribe(["A.trade"], 0, "e", { max_rate: 1 });
  assert.deepEqual(offsets(client), []);
  world.passMs(1000);
  for (let i = 0; i < 2; i++) world.publish("A.trade");
  world.passMs(3000);
  assert.deepEqual(offsets(client), [5, 6], "the rate is as before");
});

test("a `subscribe` sets the rate of its channels, and without `max_rate` removes it; nothing that waits is lost", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  world.publish("A.trade");
  world.publish("A.trade"); // 2 waits
  subscribe(client, ["A.trade"], { max_rate: 2 });
  assert.deepEqual(offsets(client), [1, 2]);
  world.publish("A.trade");
  world.publish("A.trade"); // 4 waits
  world.passMs(500);
  assert.deepEqual(offsets(client), [3, 4]);
  world.publish("A.trade"); // 5 waits
  subscribe(client, ["A.trade"]);
  world.publish("A.trade");
  assert.deepEqual(offsets(client), [5, 6]);
  client.send({ type: "unsubscribe", channels: ["A.trade"] });
  world.publish("A.trade");
  world.passMs(1000);
  assert.deepEqual(offsets(client), []);
});

test("a change of the subscriptions delivers what waits, once", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  world.publish("A.trade");
  world.publish("A.trade"); // 2 waits
  subscribe(client, ["B.trade"]);
  world.publish("B.trade");
  assert.deepEqual(offsets(client), [1, 2, 3]);
  world.passMs(2000);
  assert.deepEqual(offsets(client), []);
});

test("when the channel with the higher rate is unsubscribed, the client gets what waited there", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  world.publish("A.trade");
  subscribe(client, ["*.trade"], { max_rate: 0.5 });
  world.publish("A.trade"); // 2 waits for A.trade; for the pattern it is the first message
  assert.deepEqual(offsets(client), [1]);
  client.send({ type: "unsubscribe", channels: ["A.trade"] });
  assert.deepEqual(offsets(client), [2]);
});

test("a client that resumes with a rate also gets what waited for its turn when its connection ended", (t) => {
  const { world, client } = start(t, ["*.trade"], { max_rate: 1 });
  for (const channel of ["A.trade", "B.trade", "A.trade"]) world.publish(channel); // 3 waits
  assert.deepEqual(offsets(client), [1, 2]);
  world.publish("C.trade"); // 4
  const next = new FakeClient(world);
  next.subscribe(["*.trade"], 4, "e", { max_rate: 1, last: true });
  world.publish("D.trade"); // 5
  const [ack, ...rest] = next.take();
  assert.ok(ack?.type === "subscription_ack");
  assert.deepEqual([ack.recovered, ack.replayed, ack.last], [true, 0, 3]);
  assert.deepEqual(
    rest.map((one) => "data" in one && [one.offset, one.last]),
    [
      [2, true],
      [3, true],
      [4, true],
      [5, undefined],
    ],
  );
});

test("a heartbeat names the offset before the oldest message that waits", (t) => {
  const { world, client } = start(t, ["*.trade"], { max_rate: 1 });
  for (const channel of ["A.trade", "B.trade", "A.trade", "B.trade", "C.trade"]) world.publish(channel);
  client.send({ type: "heartbeat" });
  assert.equal(client.controls("heartbeat_ack")[0]?.offset, 2);
  world.passMs(1000);
  client.send({ type: "heartbeat" });
  assert.equal(client.controls("heartbeat_ack")[0]?.offset, 5);
});

test("all clients with one rate share the decision, and a new stream forgets what waits", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  const other = new FakeClient(world);
  world.publish("A.trade");
  world.publish("A.trade"); // 2 waits
  subscribe(other, ["A.trade"], { max_rate: 1 });
  other.take();
  world.passMs(1000);
  assert.deepEqual(offsets(client), [1, 2]);
  assert.deepEqual(offsets(other), [], "2 is older than the subscription");
  world.passMs(1000);
  world.publish("A.trade");
  world.publish("A.trade"); // 4 waits
  world.context.history.begin("f", 0);
  world.context.fanout.begin();
  client.connection.begin();
  world.offset = 0;
  world.publish("A.trade");
  world.passMs(1000);
  assert.deepEqual(offsets(client), [3, 1]);
});

test("a message that is shed or dropped by throttling is reported, whatever the rate", (t) => {
  const { world, client } = start(t, ["A.trade"], { max_rate: 1 });
  world.shed("A.trade");
  world.pass(3);
  const [notice] = client.controls("throttle_update");
  assert.deepEqual([notice?.dropped, notice?.since.offset], [1, 0]);
});

// ——— generated sequences ———

const CHANNELS = ["A.trade", "A.social", "B.trade", "B.social"];
const NAMES = [...CHANNELS, "A.*", "*.trade", "*.*"];
const RATES = [undefined, 0.5, 2, 10];
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ publish: fc.constantFrom(...CHANNELS) }) },
  { weight: 4, arbitrary: fc.record({ pass: fc.constantFrom(10, 100, 130, 700) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      subscribe: fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 }),
      rate: fc.constantFrom(...RATES),
      last: fc.boolean(),
      since: fc.option(fc.nat(10), { nil: undefined, freq: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ unsubscribe: fc.constantFrom(...NAMES) }) },
  { weight: 1, arbitrary: fc.constant("stall" as const) },
  { weight: 1, arbitrary: fc.constant("read" as const) },
);

test("in any sequence: no message twice, in order, within the rate, the newest always, the rest with `since`", (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), fc.boolean(), (steps, compact) => {
      const world = new World(t, { compact: ["trade"], limits: { replayBuffer: 10_000 } });
      const client = new FakeClient(world, compact ? { compact: new CompactReader() } : {});
      const rates = new Map<string, number | undefined>();
      const published: string[] = [];
      const given = new Set<number>();
      const ever = new Set<number>();
      /** Of each channel: newest offset, and time of the last delivery since the last change. */
      const newest = new Map<string, number>();
      let delivered = new Map<string, number>();
      /** The running request asks for older messages. */
      let older = false;
      let stalled = false;
      const rateOf = (channel: string) => {
        const all = [...rates].filter(([name]) => covers(name, channel)).map(([, rate]) => rate);
        if (all.length === 0) return 0;
        return all.includes(undefined) ? Number.POSITIVE_INFINITY : Math.max(...(all as number[]));
      };
      const take = (one: ReceivedEnvelope) => {
        assert.ok(!given.has(one.offset), `${one.offset} came twice`);
        given.add(one.offset);
        ever.add(one.offset);
        assert.equal(published[one.offset - 1], one.channel);
        if (older) return;
        assert.ok(one.offset > (newest.get(one.channel) ?? 0), `${one.offset} is out of order`);
        newest.set(one.channel, one.offset);
        const before = delivered.get(one.channel);
        const interval = 1000 / rateOf(one.channel);
        if (before !== undefined && !stalled)
          assert.ok(Date.now() - before >= interval, `${one.offset} is too soon`);
        delivered.set(one.channel, Date.now());
      };
      const receive = () => {
        for (const one of client.envelopes()) take(one);
      };
      /** Offsets above which a name's messages must be known at the end. */
      const owed = new Map<string, number>();
      for (const one of steps) {
        client.connection.markAlive();
        if (one === "stall") {
          client.socket.room = 0;
          stalled = true;
        } else if (one === "read") client.socket.read();
        else if ("publish" in one) {
          published.push(one.publish);
          world.publish(one.publish);
        } else if ("pass" in one) world.passMs(one.pass);
        else if ("unsubscribe" in one) {
          // What waits comes before the change, and so sooner than the rate allows.
          delivered = new Map();
          client.send({ type: "unsubscribe", channels: [one.unsubscribe] });
          // A channel that is subscribed again may bring the same messages again.
          for (const offset of given) {
            if (covers(one.unsubscribe, published[offset - 1] as string)) given.delete(offset);
          }
          rates.delete(one.unsubscribe);
          owed.delete(one.unsubscribe);
        } else {
          client.socket.read();
          receive();
          delivered = new Map();
          older = true;
          const since = one.since === undefined ? undefined : Math.max(0, world.offset - one.since);
          client.subscribe(one.subscribe, since, "e", {
            ...(one.rate !== undefined && { max_rate: one.rate }),
            ...(one.last && { last: true }),
          });
          client.socket.read();
          receive();
          older = false;
          for (const name of one.subscribe) {
            rates.set(name, one.rate);
            owed.set(name, Math.min(owed.get(name) ?? Number.POSITIVE_INFINITY, since ?? world.offset));
          }
        }
        receive();
        if (client.socket.room === Number.POSITIVE_INFINITY && stalled) {
          stalled = false;
          delivered = new Map();
        }
      }
      client.socket.read();
      receive();
      stalled = true;
      world.passMs(3000);
      receive();
      assert.equal(client.connection.level, 0);
      for (const channel of CHANNELS) {
        const last = published.lastIndexOf(channel) + 1;
        const since = [...owed].filter(([name]) => covers(name, channel)).map(([, offset]) => offset);
        if (last > Math.min(...since)) assert.ok(ever.has(last), `${last}, the newest of ${channel}`);
      }
      if (rates.size === 0) return;
      older = true;
      for (const [name, rate] of rates) {
        client.subscribe([name], 0, "e", rate === undefined ? {} : { max_rate: rate });
      }
      receive();
      for (const [index, channel] of published.entries()) {
        if (rateOf(channel) > 0) assert.ok(ever.has(index + 1), `${index + 1} of ${channel} is missing`);
      }
    }),
    { numRuns: 400 },
  );
});
