/** `max_rate`: a limit for the messages a second of each channel; the newest one wins. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { connect } from "../harness/client.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";

const COUNT = 100;

describe("max_rate", { skip: withoutNats(), concurrency: true }, () => {
  for (const workers of ["1", "2"]) {
    test(`a burst brings its first and its last message; the others come with since (${workers} processes)`, async (t) => {
      const nats = await startNats(t);
      const gateway = await startGateway(t, { nats, env: { WS_WORKER_POOL_SIZE: workers } });
      const channels = ["RATE.trade"];
      const [limited, full] = [await connect(t, gateway), await connect(t, gateway)];
      // One message in 2 s: a busy machine delivers the burst within this time.
      await limited.ask({ type: "subscribe", channels, max_rate: 0.5 }, "subscription_ack");
      await full.subscribe(channels);
      const offsets = await nats.publishAll(
        "odin.token.RATE.trade",
        Array.from({ length: COUNT }, (_, n) => n),
      );
      await full.receive(COUNT);
      const got = await limited.receive(2);
      assert.deepEqual(
        got.map(({ seq, offset }) => [seq, offset]),
        [
          [1, offsets[0]],
          [2, offsets.at(-1)],
        ],
      );
      await gateway.metric("ws_conflated_total", { event: "trade" }, (value) => value === COUNT - 2);
      await gateway.metric("ws_messages_sent_total", { event: "trade" }, (value) => value === COUNT + 2);
      const since = { epoch: limited.welcome.epoch, offset: (offsets[0] ?? 0) - 1 };
      const ack = await limited.ask(
        { type: "subscribe", channels, max_rate: 0.5, since },
        "subscription_ack",
      );
      assert.deepEqual([ack.recovered, ack.replayed], [true, COUNT - 2]);
      const rest = (await limited.receive(COUNT)).slice(2);
      assert.deepEqual(
        rest.map(({ offset }) => offset),
        offsets.slice(1, -1),
      );
    });
  }

  test("a rate that is no rate is refused, and changes nothing", async (t) => {
    const nats = await startNats(t);
    const gateway = await startGateway(t, { nats });
    const client = await connect(t, gateway);
    for (const max_rate of [0, 0.09, 100.1, "4", null]) {
      const error = await client.ask({ type: "subscribe", channels: ["A.trade"], max_rate }, "error");
      assert.equal(error.code, "invalid_message", String(max_rate));
      assert.match(error.message, /"max_rate" must be a number from 0\.1 to 100/);
    }
    const ack = await client.ask({ type: "unsubscribe", channels: ["A.trade"] }, "subscription_ack");
    assert.equal(ack.count, 0);
  });
});
