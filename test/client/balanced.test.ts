/** The client behind a load balancer with two gateways, of which one is killed or drained. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually } from "../harness/wait.ts";
import { startHaproxy, withoutHaproxy } from "./haproxy.ts";
import { assertExact, startWitness } from "./witness.ts";

describe("client behind a load balancer", { skip: withoutNats() || withoutHaproxy() }, () => {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    test(`${signal} of its gateway: the client continues at the other one, and gets each message once`, async (t) => {
      const nats = await startNats(t);
      const env = { WS_DRAIN_SECONDS: "2" };
      const gateways = await Promise.all([startGateway(t, { nats, env }), startGateway(t, { nats, env })]);
      const witness = startWitness(t, await startHaproxy(t, gateways));
      const trades = await witness.listen("LB1.trade", "LB2.trade");
      const all = await witness.listen("LB1.*");
      const feed = startFeed(t, nats, ["LB1.trade", "LB2.trade", "LB1.social"], 2);
      await eventually("messages", () => trades.got.length > 50);
      const before = witness.client.status.gateway;
      const counts = await Promise.all(gateways.map(async (gateway) => (await gateway.stats()).connections));
      const [doomed, other] = counts[0] === 1 ? gateways : gateways.toReversed();
      assert.deepEqual(counts.toSorted(), [0, 1]);
      doomed?.process.signal(signal);
      await witness.until("waiting");
      assert.equal(witness.client.status.code, signal === "SIGKILL" ? 1006 : 1012);
      await witness.until("open", 30_000);
      assert.equal((await other?.stats())?.connections, 1);
      assert.notEqual(before, undefined);
      const count = trades.got.length;
      await eventually("messages", () => trades.got.length > count + 50);
      const published = await feed.stop();
      await assertExact(trades, published);
      await assertExact(all, published);
      assert.deepEqual([witness.refetches, witness.errors], [[], []]);
    });
  }
});
