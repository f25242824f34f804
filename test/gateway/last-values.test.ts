/**
 * Last values: a gateway that has just started knows what left the stream before, from a second stream on a
 * real NATS; with the other sources it knows what it has read.
 */

import { strict as assert } from "node:assert";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { type Env, type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, STREAM, startNats, withoutNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

const LAST_STREAM = "ODIN_TOKENS_LAST";
const SHORT = { JS_STREAM_MAX_AGE: "1s" };
const A = "odin.token.A.trade";
const B = "odin.token.B.trade";
const CHANNELS = ["A.trade", "B.trade", "C.trade"];

/** `[channel, offset, data, last]` of the last values that a new client gets. */
async function valuesOf(t: Owner, gateway: Gateway, channels: readonly string[] = CHANNELS) {
  const client = await connect(t, gateway);
  const ack = await client.ask({ type: "subscribe", channels, last: true }, "subscription_ack");
  if (ack.last === undefined) return undefined;
  const envelopes = await client.receive(ack.last);
  return envelopes.map(({ channel, offset, data, last }) => [channel, offset, data, last]);
}

/** Waits until the stream has no message left, and the stream of last values has all. */
async function untilExpired(nats: Nats, last: number): Promise<void> {
  await eventually("an empty stream", async () => {
    const [stream, mirror] = await Promise.all([
      nats.jsm.streams.info(STREAM),
      nats.jsm.streams.info(LAST_STREAM),
    ]);
    return stream.state.messages === 0 && mirror.state.last_seq === last;
  });
}

describe("last values on NATS", { skip: withoutNats(), concurrency: true }, () => {
  for (const workers of ["1", "2"]) {
    test(`a gateway that starts knows the newest message of each subject (${workers} processes)`, async (t) => {
      const nats = await startNats(t);
      const env: Env = { ...SHORT, WS_WORKER_POOL_SIZE: workers };
      const first = await startGateway(t, { nats, env });
      await nats.publishAll(A, [1, 2, 3]);
      await nats.publish(B, 4, { headers: { "Odin-Priority": "critical" } });
      await nats.publish("odin.token.other", 5); // has no channel
      const last = await nats.publish("odin.global.trending", "{"); // no JSON
      const expected = [
        ["A.trade", 3, 3, true],
        ["B.trade", 4, 4, true],
      ];
      await eventually("the messages", async () => (await first.stats()).offset === last);
      assert.deepEqual(await valuesOf(t, first), expected);
      await untilExpired(nats, last);
      const second = await startGateway(t, { nats, env });
      assert.deepEqual(await valuesOf(t, second), expected);
      assert.deepEqual(await valuesOf(t, second, ["*.*"]), expected);
      const { config } = await nats.jsm.streams.info(LAST_STREAM);
      assert.deepEqual(
        [config.mirror?.name, config.max_msgs_per_subject, config.max_age, config.max_bytes],
        [STREAM, 1, 86_400e9, 52_428_800],
      );
    });
  }

  test("the values of a stream that was deleted are gone, for every gateway", async (t) => {
    const nats = await startNats(t);
    const first = await startGateway(t, { nats, env: SHORT });
    const last = (await nats.publishAll(A, [1, 2, 3])).at(-1) as number;
    await untilExpired(nats, last);
    const { epoch } = await first.stats();
    await nats.recreateStream();
    await eventually("another epoch", async () => (await first.stats()).epoch !== epoch);
    assert.equal(await nats.publish(B, 4), 1);
    const expected = [["B.trade", 1, 4, true]];
    await eventually("the new message", async () => (await first.stats()).offset === 1);
    assert.deepEqual(await valuesOf(t, first), expected);
    await untilExpired(nats, 1);
    const second = await startGateway(t, { nats, env: SHORT });
    assert.deepEqual(await valuesOf(t, second), expected);
  });

  test("a gateway that has noticed nothing also replaces the values of another stream", async (t) => {
    const nats = await startNats(t);
    const first = await startGateway(t, { nats, env: SHORT });
    const last = (await nats.publishAll(A, [1, 2, 3])).at(-1) as number;
    await untilExpired(nats, last);
    await first.stop();
    await nats.recreateStream();
    const second = await startGateway(t, { nats, env: SHORT });
    assert.deepEqual(await valuesOf(t, second), []);
    await nats.publish(B, 4);
    await eventually("the new message in the mirror", async () => {
      return (await nats.jsm.streams.info(LAST_STREAM)).state.last_seq === 1;
    });
  });

  test("with WS_LAST_VALUES=false there is no second stream, and `last` has no effect", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: { WS_LAST_VALUES: "false" } });
    await nats.publish(A, 1);
    assert.equal(await valuesOf(t, gateway), undefined);
    await assert.rejects(nats.jsm.streams.info(LAST_STREAM), /not found/);
  });

  test("a gateway that cannot use the second stream serves everything else, and logs the reason", async (t) => {
    const nats = await startNats(t);
    await nats.jsm.streams.add({ name: LAST_STREAM, subjects: ["other.>"] });
    const gateway = await startGateway(t, { nats });
    await nats.publish(A, 1);
    await eventually("the message", async () => (await gateway.stats()).offset === 1);
    assert.deepEqual(await valuesOf(t, gateway), [["A.trade", 1, 1, true]]);
    assert.match(gateway.process.output, /is not a mirror of ODIN_TOKENS/);
  });
});

test("with a backend that is polled, the gateway keeps the values that have left its history", async (t) => {
  const now = Date.now();
  const events = [
    { subject: A, ts: now - 2, data: 1 },
    { subject: A, ts: now - 1, data: 2 },
    { subject: B, ts: now, data: 3 },
  ];
  const backend = createServer((request, response) => {
    const since = Number(new URL(request.url ?? "", "http://x").searchParams.get("since"));
    response.end(JSON.stringify(events.filter(({ ts }) => ts >= since)));
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  t.after(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const env = { SOURCE: "poll", POLL_URL: `http://127.0.0.1:${port}/`, JS_STREAM_MAX_AGE: "100ms" };
  const gateway = await startGateway(t, { env });
  await eventually("the events", async () => (await gateway.stats()).offset === 3);
  const client = await connect(t, gateway);
  await eventually("an empty history", async () => {
    const since = { epoch: client.welcome.epoch, offset: 0 };
    const ack = await client.subscribe(["A.trade"], since);
    return ack.recovered === false;
  });
  assert.deepEqual(await valuesOf(t, gateway), [
    ["A.trade", 2, 2, true],
    ["B.trade", 3, 3, true],
  ]);
});
