/** What is due to a client together leaves in one write. WS_WRITE_DELAY_MS lets messages wait for others. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually, pause } from "../harness/wait.ts";

const DELAY_MS = 100; // the largest delay, so that a busy machine does not hide it

describe("writes", { skip: withoutNats(), concurrency: true }, () => {
  for (const workers of ["1", "2"]) {
    test(`a burst of messages leaves in few writes (${workers} workers)`, async (t) => {
      const nats = await startNats(t);
      const env = { WS_WORKER_POOL_SIZE: workers, WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0" };
      const gateway = await startGateway(t, { nats, env });
      const clients = [await connect(t, gateway), await connect(t, gateway, { deflate: true })];
      for (const client of clients) await client.subscribe(["BURST.trade"]);
      const writes = async () => (await gateway.metrics()).sum("ws_writes_total");
      const before = await writes();
      const offsets = await nats.publishAll("odin.token.BURST.trade", Array(1000).fill({ price: 1 }));
      for (const client of clients) {
        const got = await client.receive(1000);
        assert.deepEqual(
          got.map(({ offset }) => offset),
          offsets,
        );
        assert.deepEqual(
          got.map(({ seq }) => seq),
          offsets.map((_, index) => index + 1),
        );
      }
      // A worker's metrics reach the primary with a delay.
      const sent = () => gateway.metric("ws_messages_sent_total", {}, (value) => value === 2000);
      await sent();
      const count = (await writes()) - before;
      assert.ok(count > 0 && count < 1000, `2000 deliveries took ${count} writes`);
    });
  }

  test("with WS_WRITE_DELAY_MS messages wait for others, but critical messages and answers do not", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: { WS_WRITE_DELAY_MS: String(DELAY_MS) } });
    const client = await connect(t, gateway);
    await client.subscribe(["WAIT.*"]);
    /** Milliseconds from publishing to the arrival of the envelope. */
    const publish = async (event: string) => {
      const start = performance.now();
      await client.at(await nats.publish(`odin.token.WAIT.${event}`, {}));
      return performance.now() - start;
    };
    // One message waits for the whole delay. Its acknowledgement by NATS may arrive up to some ms after it.
    const waits = await publish("trade");
    assert.ok(waits > DELAY_MS / 2, `a trade arrived after ${waits} ms`);
    const critical: number[] = [];
    const answers: number[] = [];
    for (let i = 0; i < 5; i++) {
      critical.push(await publish("balances"));
      const start = performance.now();
      await client.ask({ type: "heartbeat" }, "heartbeat_ack");
      answers.push(performance.now() - start);
    }
    assert.ok(Math.min(...critical) < DELAY_MS / 2, `critical messages arrived after ${critical} ms`);
    assert.ok(Math.min(...answers) < DELAY_MS / 2, `answers arrived after ${answers} ms`);

    const writes = async () => (await gateway.metrics()).sum("ws_writes_total");
    const before = await writes();
    let last = 0;
    for (let i = 0; i < 20; i++) last = await nats.publish("odin.token.WAIT.trade", {});
    await client.at(last);
    await eventually("the writes are counted", async () => (await writes()) > before);
    const count = (await writes()) - before;
    assert.ok(count < 15, `20 messages took ${count} writes`);
    // The next message finds no delay that has begun already.
    await pause(DELAY_MS * 2);
    assert.ok((await publish("trade")) > DELAY_MS / 2);
  });

  test("a drain sends what waits before it closes", async (t) => {
    const nats = await startNats(t);
    const env = { WS_WRITE_DELAY_MS: String(DELAY_MS), WS_DRAIN_SECONDS: "0", WS_WORKER_POOL_SIZE: "1" };
    const gateway = await startGateway(t, { nats, env });
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(t, gateway)));
    for (const client of clients) await client.subscribe(["END.trade"]);
    const last = await nats.publish("odin.token.END.trade", {});
    await eventually(
      "the gateway has the message",
      async () => (await gateway.stats()).offset === last,
      2000,
    );
    gateway.process.signal("SIGTERM");
    for (const client of clients) {
      assert.equal((await client.closed).code, 1012);
      assert.equal(client.position.offset, last);
      assert.equal((await client.control("reconnect")).type, "reconnect");
    }
  });
});
