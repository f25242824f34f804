/** Clients that stop reading: their levels, the gateway's memory, other clients, and recovery. */

import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { before, describe, test } from "node:test";
import { isEnvelope, type ServerMessage, type ThrottleUpdate } from "@odin-ws/protocol";
import { connect, type TestClient } from "../../harness/client.ts";
import { type Env, type Gateway, startGateway } from "../../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../../harness/nats.ts";
import { type Owner, suiteOwner } from "../../harness/owner.ts";
import { rawUpgrade } from "../../harness/raw.ts";
import { eventually, pause } from "../../harness/wait.ts";

const MEBIBYTE = 1024 * 1024;
/** Size of one message. About 100 of them fill the kernel's buffers on both ends, some 10 MB. */
const BODY_BYTES = 100_000;
const BODY = JSON.stringify(randomBytes(BODY_BYTES / 2).toString("hex"));

async function setUp(t: Owner, env: Env = {}) {
  const nats = await startNats(t);
  const gateway = await startGateway(t, {
    nats,
    env: {
      WS_SEND_BUFFER_BYTES: "65536",
      // Keeps the history small, because these tests measure the memory of connections.
      JS_STREAM_MAX_BYTES: "8000000",
      WS_MAX_NATS_RATE: "0",
      WS_MAX_BROADCAST_RATE: "0",
      ...env,
    },
  });
  return { nats, gateway };
}

// Publishes one big message, waits until the neighbour has received it, and returns the duration in ms.
async function publishInStep(nats: Nats, subject: string, neighbour: TestClient): Promise<number> {
  const start = Date.now();
  await neighbour.at(await nats.publish(subject, BODY));
  return Date.now() - start;
}

const isUpdate = (message: ServerMessage): message is ThrottleUpdate =>
  !isEnvelope(message) && message.type === "throttle_update";
const updates = (client: TestClient): ThrottleUpdate[] => client.messages.filter(isUpdate);

// Requests a replay of one envelope; returns how many envelopes were sent.
async function replayOne(client: TestClient, seq: number): Promise<number> {
  const end = await client.ask({ type: "replay", from_seq: seq, to_seq: seq }, "replay_end");
  return end.sent;
}

describe("slow client", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let gateway: Gateway;

  before(async () => {
    ({ nats, gateway } = await setUp(owner));
  });

  test("stuck clients rise level by level and are closed with 1008, and their neighbour gets every message in time", async (t) => {
    const neighbour = await connect(t, gateway);
    // These clients outlive this test, because the last test waits until the gateway has closed them.
    const stuck = await Promise.all(Array.from({ length: 5 }, () => connect(owner, gateway)));
    for (const client of [neighbour, ...stuck]) await client.subscribe(["SLOW.balances"]);
    for (let n = 0; n < 20; n++) await publishInStep(nats, "odin.token.SLOW.balances", neighbour);
    const before = gateway.process.rssBytes();
    for (const client of stuck) client.socket.pause();
    const latencies: number[] = [];
    const heavy = async () =>
      (await gateway.metrics()).sum("ws_throttle_transitions_total", { from_level: "2", to_level: "3" });
    // Only critical messages are still sent, and can fail, on the last level.
    while ((await heavy()) < stuck.length) {
      assert.ok(latencies.length < 2000, "the stuck clients are not at the last level after 200 MB");
      await pause(25); // each level lasts for 3 s
      for (let n = 0; n < 5; n++)
        latencies.push(await publishInStep(nats, "odin.token.SLOW.balances", neighbour));
    }
    // The last level lasts for 3 s too, before the clients are closed.
    for (const end = Date.now() + 3500; Date.now() < end; await pause(25))
      latencies.push(await publishInStep(nats, "odin.token.SLOW.balances", neighbour));
    const metrics = await gateway.metrics();
    for (const [from_level, to_level] of [
      ["0", "1"],
      ["1", "2"],
      ["2", "3"],
    ] as const) {
      const count = metrics.sum("ws_throttle_transitions_total", { from_level, to_level });
      assert.equal(count, stuck.length, `from ${from_level} to ${to_level}`);
    }
    const grown = (gateway.process.rssBytes() - before) / MEBIBYTE;
    assert.ok(grown < 100, `the process grew by ${grown.toFixed(0)} MiB`);
    const slowest = Math.max(...latencies);
    assert.ok(slowest < 2000, `the neighbour waited ${slowest} ms`);
    assert.equal(updates(neighbour).length, 0);
    assert.deepEqual(
      neighbour.envelopes.map(({ seq }) => seq),
      neighbour.envelopes.map((_, index) => index + 1),
    );
    // Clients that read again receive the close code.
    for (const client of stuck.slice(0, 2)) {
      client.socket.resume();
      assert.equal((await client.ended()).code, 1008);
      assert.deepEqual(
        updates(client).map(({ level }) => level),
        [1, 2, 3],
      );
    }
    // The others do not answer the close frame, so that the gateway cuts them; they count with the same code.
    await gateway.metric("ws_disconnects_total", { code: "1008" }, (value) => value === stuck.length);
    assert.equal((await gateway.metrics()).sum("ws_disconnects_total", { code: "1006" }), 0);
    for (const name of ["light", "medium", "heavy"]) {
      await gateway.metric(`ws_throttled_clients_${name}`, {}, (value) => value === 0);
    }
  });

  for (const [what, env] of [
    ["throttling switched off", { WS_THROTTLE_ENABLED: "false" }],
    ["a rollout of 0 percent", { WS_THROTTLE_ROLLOUT_PERCENT: "0" }],
    ["a last level of 0", { WS_THROTTLE_MAX_LEVEL: "0" }],
  ] as const) {
    test(`with ${what} a stuck client gets no level, only the close, and no memory beyond the buffer`, async (t) => {
      const { nats, gateway } = await setUp(t, env);
      const neighbour = await connect(t, gateway);
      const stuck = await Promise.all(Array.from({ length: 10 }, () => connect(t, gateway)));
      for (const client of [neighbour, ...stuck]) await client.subscribe(["STUCK.trade"]);
      for (let n = 0; n < 20; n++) await publishInStep(nats, "odin.token.STUCK.trade", neighbour);
      for (const client of stuck) client.socket.pause();
      const before = gateway.process.rssBytes();
      let published = 0;
      // A closed client has no subscription left. The gateway cuts a client that does not answer within 5 s.
      while ((await gateway.stats()).subscriptions > 1 && published++ < 400)
        await publishInStep(nats, "odin.token.STUCK.trade", neighbour);
      const assertSmall = () => {
        const grown = (gateway.process.rssBytes() - before) / MEBIBYTE;
        assert.ok(grown < 120, `the process grew by ${grown.toFixed(0)} MiB while 400 MB were not sent`);
      };
      assertSmall();
      for (const client of stuck) client.socket.resume();
      for (const client of stuck) assert.equal((await client.ended()).code, 1008);
      while (published++ < 400) await publishInStep(nats, "odin.token.STUCK.trade", neighbour);
      assertSmall();
      assert.equal((await gateway.metrics()).sum("ws_throttle_transitions_total"), 0);
      for (const client of stuck) assert.equal(updates(client).length, 0);
    });
  }

  const RATE_PERCENT = { rate: [100, 75, 50, 25], priority: undefined };

  for (const policy of ["priority", "rate"] as const) {
    test(`a client that recovers gets every dropped message exactly once (policy ${policy})`, async (t) => {
      const env = { WS_THROTTLE_RECOVERY_SECONDS: "2", WS_THROTTLE_POLICY: policy };
      const { nats, gateway } = await setUp(t, env);
      const neighbour = await connect(t, gateway);
      const slow = await connect(t, gateway);
      for (const client of [neighbour, slow]) await client.subscribe(["BACK.trade", "BACK.metadata"]);
      slow.socket.pause();
      const raised = async () =>
        (await gateway.metrics()).sum("ws_throttle_transitions_total", { from_level: "0", to_level: "1" }) >
        0;
      for (let n = 0; !(await raised()); n++) {
        assert.ok(n < 600, "the slow client is not at the first level after 60 MB");
        await publishInStep(nats, "odin.token.BACK.trade", neighbour);
      }
      // Both policies drop low priority first. The policy `rate` still sends most of these messages, which
      // fail, and too many failures would close the connection. The test therefore publishes fewer of them.
      const small = Array.from({ length: policy === "rate" ? 8 : 40 }, (_, n) => ({ n }));
      const last = await nats.publishAll("odin.token.BACK.metadata", small);
      await neighbour.at(last.at(-1) ?? 0);
      slow.socket.resume();

      const back = await slow.until(
        "level 0",
        () => updates(slow).findLast(({ level }) => level === 0),
        20_000,
      );
      assert.ok(back.dropped > 0, JSON.stringify(back));
      assert.equal(back.since.epoch, slow.welcome.epoch);
      for (const { level, rate_percent, message } of updates(slow)) {
        assert.ok(message.length > 0);
        const percents = RATE_PERCENT[policy];
        if (percents) assert.equal(rate_percent, percents[level]);
      }
      assert.ok(
        updates(slow).some(({ level }) => level > 0),
        "the client must also get an update when its level rises",
      );
      assert.ok((await gateway.stats()).dropped >= back.dropped);
      assert.ok((await gateway.metrics()).sum("ws_messages_dropped_total", { priority: "low" }) > 0);

      // Requests first the gaps in seq, one by one, and then the dropped messages, which took no seq.
      const { seq } = await slow.ask({ type: "heartbeat" }, "heartbeat_ack");
      const seen = new Set(slow.envelopes.map((envelope) => envelope.seq));
      for (let wanted = 1; wanted <= seq; wanted++) {
        if (seen.has(wanted)) continue;
        assert.equal(await replayOne(slow, wanted), 1, `seq ${wanted} of ${seq}`);
      }
      const ack = await slow.subscribe(["BACK.trade", "BACK.metadata"], back.since);
      assert.equal(ack.recovered, true);
      assert.equal(ack.replayed, back.dropped);
      const end = await nats.publish("odin.token.BACK.trade", {});
      await Promise.all([slow.at(end), neighbour.at(end)]);
      const offsets = (client: TestClient) => client.envelopes.map(({ offset }) => offset);
      assert.deepEqual(
        offsets(slow).toSorted((a, b) => a - b),
        offsets(neighbour),
        "every message must arrive exactly once",
      );
    });
  }

  test("frames that wait in a buffer keep the seq of their own connection", async (t) => {
    const slow = await connect(t, gateway);
    const neighbour = await connect(t, gateway);
    await slow.subscribe(["OWN.trade"]);
    await neighbour.subscribe(["OWN.trade", "OWN.update"]);
    // The seq of the two clients differ in value and in length, because both connections share the bytes of a
    // message behind its seq.
    await nats.publishAll("odin.token.OWN.update", Array(1234).fill({}));
    await neighbour.receive(1234);
    slow.socket.pause();
    // Several messages fit into the buffer, so that whole frames wait in it.
    const body = JSON.stringify("x".repeat(BODY_BYTES / 8));
    const levels = async () => (await gateway.metrics()).sum("ws_throttle_transitions_total");
    const before = await levels();
    const offsets: number[] = [];
    while ((await levels()) === before) {
      assert.ok(offsets.length < 5000, "the slow client is not at the first level after 60 MB");
      for (let n = 0; n < 5; n++) offsets.push(await nats.publish("odin.token.OWN.trade", body));
      await neighbour.at(offsets.at(-1) ?? 0);
    }
    slow.socket.resume();
    await slow.ask({ type: "heartbeat" }, "heartbeat_ack");
    assert.ok(slow.envelopes.length > 100);
    for (const [index, { seq, offset, data }] of slow.envelopes.entries()) {
      assert.deepEqual([seq, offset], [index + 1, offsets[index]]);
      assert.ok(JSON.stringify(data) === body, `the body of seq ${seq} arrived changed`);
    }
  });

  test("a client that reads large messages over a slow link is not closed, also not for its heartbeats", async (t) => {
    // More than twice the send buffer.
    const large = JSON.stringify("x".repeat(600_000));
    const env = { WS_SEND_BUFFER_BYTES: "262144", JS_STREAM_MAX_BYTES: "50000000" };
    const { nats, gateway } = await setUp(t, env);
    const neighbour = await connect(t, gateway);
    await neighbour.subscribe(["LARGE.trade"]);
    const slow = await rawUpgrade(t, gateway);
    slow.send({ type: "subscribe", channels: ["LARGE.trade"] });
    await slow.receive(2);
    slow.socket.pause();
    const publish = async () => neighbour.at(await nats.publish("odin.token.LARGE.trade", large));
    const levels = async () => (await gateway.metrics()).sum("ws_throttle_transitions_total");
    // When sends fail, the buffers of the kernel are full: from now on a large message waits in the gateway.
    for (let n = 0; (await levels()) === 0; n++) {
      assert.ok(n < 100, "60 MB were sent and no send has failed");
      await publish();
    }
    // A link of at most 2 MB/s.
    let limited = true;
    slow.socket.on("data", () => {
      if (!limited) return;
      slow.socket.pause();
      setTimeout(() => slow.socket.resume(), 30);
    });
    slow.socket.resume();
    const heartbeats = 40;
    for (let n = 0; n < heartbeats; n++) {
      slow.send({ type: "heartbeat" });
      if (n % 4 === 0) await publish();
      await pause(100);
    }
    limited = false;
    const acknowledged = () =>
      slow.texts().filter((text) => text.startsWith('{"type":"heartbeat_ack"')).length;
    await eventually("answers to all heartbeats", () => acknowledged() === heartbeats || slow.closedAt);
    assert.equal(slow.closeCode, undefined, "the client took bytes all the time");
    assert.equal((await gateway.stats()).connections, 2);
  });

  test("connections of clients that never read again are closed in the end", async () => {
    // The close frame cannot reach these clients, so that the gateway cuts their connections after some time.
    await eventually("no connection left", async () => (await gateway.stats()).connections === 0, 45_000);
  });
});
