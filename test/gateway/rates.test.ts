/** WS_MAX_NATS_RATE slows the reading; WS_MAX_BROADCAST_RATE drops messages, the lowest priority first. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";

describe("rates", { skip: withoutNats(), concurrency: true }, () => {
  test("WS_MAX_NATS_RATE delays messages and loses none", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats, env: { WS_MAX_NATS_RATE: "100" } });
    const client = await connect(t, gateway);
    await client.subscribe(["CALM.trade"]);
    const start = Date.now();
    const offsets = await nats.publishAll("odin.token.CALM.trade", Array(500).fill({}));
    await gateway.metric("ws_nats_lag_messages", {}, (value) => value > 0);
    const got = await client.receive(500, 20_000);
    const took = Date.now() - start;
    // 500 messages take 5 s at 100 per second. A first burst may hold the messages of up to two seconds.
    assert.ok(took > 2500, `500 messages took only ${took} ms`);
    assert.deepEqual(
      got.map(({ offset }) => offset),
      offsets,
    );
    await gateway.metric("ws_nats_lag_messages", {}, (value) => value === 0);
  });

  test("WS_MAX_BROADCAST_RATE drops low priorities first and counts the dropped messages", async (t) => {
    const nats = await startNats(t);
    const env = { WS_MAX_BROADCAST_RATE: "100", WS_MAX_NATS_RATE: "0" };
    const gateway = await startGateway(t, { nats, env });
    const client = await connect(t, gateway);
    await client.subscribe(["BUSY.*"]);
    // One message in ten is critical. All critical messages fit into the rate, and most of the others do not.
    const critical: number[] = [];
    const pending: Promise<unknown>[] = [];
    for (let n = 0; n < 600; n++) {
      const event = n % 10 === 0 ? "balances" : "metadata";
      const stored = nats.publish(`odin.token.BUSY.${event}`, { n });
      pending.push(event === "balances" ? stored.then((offset) => critical.push(offset)) : stored);
    }
    await Promise.all(pending);
    const last = Math.max(...critical);
    await client.at(last);
    const got = client.envelopes;
    assert.deepEqual(
      got.filter(({ priority }) => priority === "critical").map(({ offset }) => offset),
      critical.toSorted((a, b) => a - b),
      "no critical message was dropped",
    );
    assert.ok(got.length < 500, `${got.length} of 600 messages arrived`);
    assert.deepEqual(
      got.map(({ seq }) => seq),
      got.map((_, index) => index + 1),
      "a dropped message must not take a seq",
    );
    const metrics = await gateway.metrics();
    assert.ok(metrics.sum("ws_messages_dropped_total", { priority: "low" }) > 0);
    assert.equal(metrics.sum("ws_messages_dropped_total", { priority: "critical" }), 0);
  });

  test("a rate of 0 is unlimited", async (t) => {
    const nats = await startNats(t);
    const env = { WS_MAX_BROADCAST_RATE: "0", WS_MAX_NATS_RATE: "0" };
    const gateway = await startGateway(t, { nats, env });
    const client = await connect(t, gateway);
    await client.subscribe(["FREE.*"]);
    for (let batch = 0; batch < 10; batch++) {
      await nats.publishAll("odin.token.FREE.metadata", Array(500).fill({}));
    }
    await client.receive(5000, 15_000);
    assert.equal((await gateway.metrics()).sum("ws_messages_dropped_total"), 0);
  });
});
