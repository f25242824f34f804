/**
 * Resume with `since` on the same gateway and on another: every message arrives exactly once and in order.
 */

import { strict as assert } from "node:assert";
import { before, describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { assertComplete, startFeed } from "../harness/feed.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { Reader } from "../harness/reader.ts";
import { eventually } from "../harness/wait.ts";

const bodies = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

describe("resume", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let first: Gateway;
  let second: Gateway;

  before(async () => {
    nats = await startNats(owner);
    [first, second] = await Promise.all([startGateway(owner, { nats }), startGateway(owner, { nats })]);
  });

  test("all gateways report the same epoch and offsets", async (t) => {
    const [a, b] = [await connect(t, first), await connect(t, second)];
    assert.equal(a.welcome.epoch, b.welcome.epoch);
    for (const client of [a, b]) await client.subscribe(["SAME.trade"]);
    const offsets = await nats.publishAll("odin.token.SAME.trade", bodies(20));
    for (const client of [a, b]) {
      const got = await client.receive(20);
      assert.deepEqual(
        got.map(({ offset }) => offset),
        offsets,
      );
    }
  });

  for (const [where, pick] of [
    ["the same", () => first],
    ["another", () => second],
  ] as const) {
    test(`on ${where} gateway the client gets the missed messages first and then the live ones`, async (t) => {
      const symbol = `MISSED${where.slice(-4)}`.replace(" ", "");
      const before = await connect(t, first);
      await before.subscribe([`${symbol}.trade`]);
      await nats.publishAll(`odin.token.${symbol}.trade`, bodies(5));
      await before.receive(5);
      const since = before.position;
      await before.drop();
      const missed = await nats.publishAll(`odin.token.${symbol}.trade`, bodies(50));
      await nats.publish(`odin.token.${symbol}.update`, {});
      const client = await connect(t, pick());
      const ack = await client.subscribe([`${symbol}.trade`], since);
      assert.equal(ack.recovered, true);
      const live = await nats.publish(`odin.token.${symbol}.trade`, {});
      await client.at(live);
      // The gateway may read some of the missed messages only after its answer, and then delivers them live.
      assert.ok((ack.replayed ?? 0) <= 51);
      assert.deepEqual(
        client.envelopes.map(({ seq, offset }) => [seq, offset]),
        [...missed, live].map((offset, index) => [index + 1, offset]),
      );
    });
  }

  test("the acknowledgement counts the messages that are replayed", async (t) => {
    const start = await connect(t, first);
    const since = start.position;
    const offsets = await nats.publishAll("odin.token.REPLAYED.trade", bodies(30));
    const client = await connect(t, second);
    await eventually("reading", async () => (await second.stats()).offset >= (offsets.at(-1) ?? 0));
    const ack = await client.subscribe(["REPLAYED.trade", "REPLAYED.update"], since);
    assert.equal(ack.replayed, 30);
    await client.receive(30);
    const current = await client.subscribe(["REPLAYED.social"], client.position);
    assert.deepEqual([current.recovered, current.replayed], [true, 0], "the client has missed no message");
  });

  test("patterns resume like channels, and each message arrives once", async (t) => {
    const since = (await connect(t, first)).position;
    const offsets = [
      await nats.publish("odin.token.RPAT.trade", {}),
      await nats.publish("odin.token.RPAT.rpat", {}),
      await nats.publish("odin.token.RPAT2.rpat", {}),
    ];
    await nats.publish("odin.token.RPAT3.trade", {});
    const client = await connect(t, second);
    await client.subscribe(["RPAT.*", "*.rpat", "RPAT.trade"], since);
    const last = await nats.publish("odin.token.RPAT.trade", {});
    await client.at(last);
    assert.deepEqual(
      client.envelopes.map(({ offset }) => offset),
      [...offsets, last],
    );
  });

  test("messages that the connection has already received are not sent again", async (t) => {
    const client = await connect(t, first);
    const since = client.position;
    await client.subscribe(["TWICE.trade"]);
    const trades = await nats.publishAll("odin.token.TWICE.trade", bodies(10));
    const updates = await nats.publishAll("odin.token.TWICE.update", bodies(10));
    await client.receive(10);
    await eventually("reading", async () => (await first.stats()).offset >= (updates.at(-1) ?? 0));
    // Backfills the new channel, and does not repeat the messages of the other channel.
    await client.subscribe(["TWICE.trade", "TWICE.update"], since);
    const last = await nats.publish("odin.token.TWICE.trade", {});
    await client.at(last);
    assert.deepEqual(
      client.envelopes.map(({ offset }) => offset),
      [...trades, ...updates, last],
    );
    await client.subscribe(["TWICE.trade", "TWICE.update"], since);
    assert.equal((await client.ask({ type: "heartbeat" }, "heartbeat_ack")).seq, 21);
  });

  test("a client that is cut off repeatedly misses no message while messages are published", async (t) => {
    const channels = ["FLOW1.trade", "FLOW2.trade", "FLOW1.update", "FLOW3.social"];
    const exact = new Reader(t, channels);
    const pattern = new Reader(t, ["FLOW1.*", "*.trade", "FLOW3.social"]);
    await Promise.all([exact.attach(first), pattern.attach(first)]);
    const feed = startFeed(t, nats, channels, 5);
    for (let round = 1; round <= 6; round++) {
      const gateway = round % 2 === 0 ? first : second;
      for (const reader of [exact, pattern]) {
        const count = reader.envelopes.length;
        await reader.client?.until("messages", () => reader.envelopes.length > count + 20);
        await reader.drop();
      }
      const count = feed.count;
      await eventually("more published", () => feed.count > count + 50);
      await Promise.all([exact.attach(gateway), pattern.attach(gateway)]);
    }
    const published = await feed.stop();
    for (const reader of [exact, pattern]) {
      await reader.client?.at(published.at(-1)?.offset ?? 0);
      assert.equal(reader.resumes, 6);
      assertComplete(reader.envelopes, published);
    }
  });

  test("when a gateway is killed, its clients resume on another one and get every message exactly once", async (t) => {
    const doomed = await startGateway(t, { nats });
    const channels = ["KILL1.trade", "KILL2.trade", "KILL3.update"];
    const readers = Array.from({ length: 10 }, () => new Reader(t, channels));
    await Promise.all(readers.map((reader) => reader.attach(doomed)));
    const feed = startFeed(t, nats, channels, 3);
    await Promise.all(readers.map((reader) => reader.client?.receive(50)));
    doomed.process.signal("SIGKILL");
    await Promise.all(readers.map((reader) => reader.client?.closed));
    await Promise.all(readers.map((reader) => reader.attach(second)));
    await Promise.all(readers.map((reader) => reader.client?.receive(50)));
    const published = await feed.stop();
    for (const reader of readers) {
      await reader.client?.at(published.at(-1)?.offset ?? 0);
      assertComplete(reader.envelopes, published);
    }
  });

  test("a gateway that lags behind the client's previous gateway neither repeats nor skips a message", async (t) => {
    const behind = await startGateway(t, { nats, env: { WS_MAX_NATS_RATE: "50" } });
    const reader = new Reader(t, ["LAG.*"]);
    await reader.attach(first);
    const offsets = await nats.publishAll("odin.token.LAG.trade", bodies(200));
    await reader.client?.receive(200);
    await reader.drop();
    assert.ok(
      (await behind.stats()).offset < (offsets.at(-1) ?? 0),
      "the lagging gateway must not have read all messages yet",
    );
    await reader.attach(behind);
    offsets.push(
      await nats.publish("odin.token.LAG.update", {}),
      await nats.publish("odin.token.LAG.trade", {}),
    );
    await reader.client?.at(offsets.at(-1) ?? 0);
    assert.deepEqual(
      reader.envelopes.map(({ offset }) => offset),
      offsets,
    );
  });

  test("10 MB of missed messages arrive complete, despite a smaller send buffer and new messages", async (t) => {
    const env = { WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0", WS_SEND_BUFFER_BYTES: "65536" };
    const gateway = await startGateway(t, { nats, env });
    const reader = new Reader(t, ["LONG.*"]);
    await reader.attach(gateway);
    const missed = Array.from({ length: 5000 }, (_, n) => ({ n, text: "x".repeat(2000) }));
    const first = await nats.publish("odin.token.LONG.trade", {});
    await reader.client?.at(first);
    await reader.drop();
    for (let n = 0; n < missed.length; n += 500) {
      await nats.publishAll("odin.token.LONG.trade", missed.slice(n, n + 500));
    }
    const feed = startFeed(t, nats, ["LONG.update"], 2);
    await eventually("traffic", () => feed.count > 50);
    await reader.attach(gateway);
    const [published] = await Promise.all([
      eventually("traffic", () => feed.count > 200).then(() => feed.stop()),
      reader.client?.receive(5000, 20_000),
    ]);
    const last = published.at(-1)?.offset ?? 0;
    await reader.client?.at(last);
    const got = reader.envelopes.map(({ offset }) => offset);
    const wanted = Array.from({ length: last - first + 1 }, (_, n) => first + n);
    assert.deepEqual(got, wanted, "all messages of the two channels must arrive in the order of the stream");
  });

  test("a resume from another epoch is not recovered, and live messages arrive", async (t) => {
    const client = await connect(t, first);
    await nats.publishAll("odin.token.EPOCH.trade", bodies(5));
    const ack = await client.subscribe(["EPOCH.trade"], { epoch: "of-long-ago", offset: 1 });
    assert.equal(ack.recovered, false);
    assert.deepEqual(ack.subscribed, ["EPOCH.trade"]);
    const live = await nats.publish("odin.token.EPOCH.trade", {});
    await client.at(live);
  });

  test("an offset that has left the history is not recovered, and the offset just before its first message is", async (t) => {
    const small = await startNats(t);
    const env = { JS_STREAM_MAX_MSGS: "100" };
    await startGateway(t, { nats: small, env });
    await small.publishAll("odin.token.OLD.trade", bodies(300));
    // A gateway that starts now knows only the messages that the stream still has: 201 to 300.
    const late = await startGateway(t, { nats: small, env });
    const { epoch } = (await connect(t, late)).position;
    for (const [offset, recovered] of [
      [10, false],
      [199, false],
      [200, true],
      [299, true],
    ] as const) {
      const client = await connect(t, late);
      const ack = await client.subscribe(["OLD.trade"], { epoch, offset });
      assert.equal(ack.recovered, recovered, `since ${offset}`);
      if (recovered) {
        await client.receive(300 - offset);
        assert.equal(client.envelopes[0]?.offset, offset + 1);
      }
    }
  });

  test("resumes are counted by their result", async () => {
    const metrics = await second.metrics();
    assert.ok(metrics.sum("ws_resumes_total") > 0);
    assert.ok(metrics.series("ws_resumes_total").every(({ labels }) => "result" in labels));
  });
});
