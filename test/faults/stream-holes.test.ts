/** Streams that miss messages: purged by subject, one message for each subject, limits that were lowered. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect, type TestClient } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { type Nats, STREAM, startNats, withoutNats } from "../harness/nats.ts";
import { eventually, pause } from "../harness/wait.ts";

const KEPT = "odin.token.KEPT.trade";
const PURGED = "odin.token.PURGED.trade";
const CHANNELS = ["KEPT.trade", "PURGED.trade"];

const offsets = (client: TestClient) => client.envelopes.map(({ offset }) => offset);
const notices = (client: TestClient) =>
  client.messages.filter((one) => "type" in one && one.type === "throttle_update").length;

const consumerNames = async (nats: Nats) =>
  (await nats.jsm.consumers.list(STREAM).next()).map(({ name }) => name);

async function createStream(nats: Nats, more: object = {}): Promise<void> {
  const subjects = ["odin.token.>", "odin.global.>"];
  await nats.jsm.streams.add({ name: STREAM, subjects, ...more });
}

describe("a stream with holes", { skip: withoutNats(), concurrency: true }, () => {
  test("the last messages were purged: a gateway that starts afterwards is healthy, and reads new messages", async (t) => {
    const nats = await startNats(t);
    await createStream(nats);
    const kept = await nats.publishAll(KEPT, [1, 2, 3]);
    await nats.publishAll(PURGED, [4, 5, 6]);
    await nats.jsm.streams.purge(STREAM, { filter: PURGED });
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    const { epoch, offset } = client.welcome;
    assert.equal(offset, 6);
    const ack = await client.subscribe(CHANNELS, { epoch, offset: kept.at(-1) ?? 0 });
    assert.equal(ack.recovered, false, "nobody knows whether the purged messages were of these channels");
    const other = await connect(t, gateway);
    assert.equal((await other.subscribe(CHANNELS, { epoch, offset })).recovered, true);
    const live = await nats.publish(KEPT, {});
    for (const one of [client, other]) {
      await one.at(live);
      assert.deepEqual([offsets(one), notices(one)], [[live], 0]);
    }
    assert.equal((await gateway.stats()).dropped, 0, "a message that is older than the gateway is no loss");
  });

  test("all messages were deleted, one by one: a gateway that starts afterwards is healthy", async (t) => {
    const nats = await startNats(t);
    await createStream(nats);
    for (const seq of await nats.publishAll(KEPT, [1, 2, 3]))
      await nats.jsm.streams.deleteMessage(STREAM, seq);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    await client.subscribe(CHANNELS);
    assert.equal((await client.at(await nats.publish(KEPT, {}))).offset, 4);
  });

  test("messages were purged before a gateway could read them: its clients are notified, and the gateway keeps one consumer", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    await client.subscribe(CHANNELS);
    const before = await nats.publishAll(KEPT, [1, 2]);
    await client.receive(2);
    gateway.process.signal("SIGSTOP");
    // Without its consumer, NATS sends nothing until the gateway asks again.
    for (const name of await consumerNames(nats)) await nats.jsm.consumers.delete(STREAM, name);
    const kept = await nats.publish(KEPT, 3);
    const purged = await nats.publishAll(PURGED, Array(20).fill(4));
    await nats.jsm.streams.purge(STREAM, { filter: PURGED });
    gateway.process.signal("SIGCONT");
    await client.at(kept, 20_000);
    await client.until("a notice", () => notices(client) === 1, 20_000);
    await eventually("the end of the stream", async () => (await gateway.stats()).offset === purged.at(-1));
    const [consumer] = await eventually("one consumer", async () => {
      const names = await consumerNames(nats);
      return names.length === 1 && names;
    });
    await pause(3000); // The gateway checks the stream three times.
    assert.deepEqual(
      await consumerNames(nats),
      [consumer],
      "a hole at the end is no reason for another consumer",
    );
    const live = await nats.publish(KEPT, {});
    await client.at(live);
    assert.deepEqual(offsets(client).slice(0, 3), [...before, kept]);
    assert.equal(notices(client), 1);
  });

  test("one message for each subject: the newest arrives, notices are few, and a gateway starts in spite of the holes", async (t) => {
    const nats = await startNats(t);
    await createStream(nats, { max_msgs_per_subject: 1 });
    const subjects = Array.from({ length: 20 }, (_, i) => `odin.token.ONE${i}.trade`);
    const publishAll = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, n) => nats.publish(subjects[n % 20] as string, { n })));
    await publishAll(500);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    await client.subscribe(["*.trade"]);
    const started = Date.now();
    let last: number[] = [];
    for (let round = 0; round < 10; round++) last = (await publishAll(1000)).slice(-20);
    await client.at(Math.max(...last));
    for (const offset of last)
      assert.ok(offsets(client).includes(offset), `the newest of each subject: ${offset}`);
    const seconds = (Date.now() - started) / 1000;
    assert.ok(notices(client) <= 2 * seconds + 3, `${notices(client)} notices in ${seconds} s`);
    const second = await startGateway(t, { nats });
    const epochs = await Promise.all([gateway.stats(), second.stats()]);
    assert.equal(epochs[0]?.epoch, epochs[1]?.epoch);
    // After a restart of the server, other messages may have replaced the last ones that the gateway knows.
    // This is no stream that went back.
    await nats.kill();
    await nats.start();
    const live = await nats.publish("odin.token.ONE0.trade", {});
    await client.at(live);
    assert.equal((await gateway.stats()).epoch, epochs[0]?.epoch);
  });

  test("limits lowered and the stream purged while a gateway reads: nothing is lost, and clients can resume", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    await client.subscribe(CHANNELS);
    const all = await nats.publishAll(KEPT, Array(100).fill({}));
    await client.receive(100);
    await nats.jsm.streams.update(STREAM, { max_msgs: 10 });
    all.push(...(await nats.publishAll(KEPT, [1, 2, 3])));
    await client.receive(103);
    await nats.jsm.streams.purge(STREAM);
    all.push(...(await nats.publishAll(KEPT, [4, 5, 6])));
    await client.receive(106);
    assert.deepEqual([offsets(client), notices(client)], [all, 0]);
    const resumed = await connect(t, gateway);
    const ack = await resumed.subscribe(CHANNELS, { epoch: client.welcome.epoch, offset: 50 });
    assert.deepEqual([ack.recovered, ack.replayed], [true, 56]);
    const late = await startGateway(t, { nats });
    const other = await connect(t, late);
    const { epoch } = client.welcome;
    assert.equal(
      (await other.subscribe(CHANNELS, { epoch, offset: 50 })).recovered,
      false,
      "the late gateway cannot have the messages after offset 50",
    );
    const again = await connect(t, late);
    assert.equal((await again.subscribe(CHANNELS, { epoch, offset: 103 })).recovered, true);
  });
});
