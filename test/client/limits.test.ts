/** The client library with gateways whose settings have their lowest and highest values. */

import { strict as assert } from "node:assert";
import { describe, test } from "node:test";
import { startFeed } from "../harness/feed.ts";
import { startGateway } from "../harness/gateway.ts";
import { startNats, withoutNats } from "../harness/nats.ts";
import { eventually, pause } from "../harness/wait.ts";
import { startProxy } from "./fault-proxy.ts";
import { assertExact, startWitness } from "./witness.ts";

const LOWEST = {
  WS_PING_SECONDS: "1",
  WS_REPLAY_BUFFER: "0",
  WS_MAX_MESSAGE_BYTES: "4096",
  WS_MAX_CHANNELS: "4",
  WS_INBOUND_RATE: "20",
  WS_INBOUND_BURST: "10",
  WS_SEND_BUFFER_BYTES: "1024",
  WS_THROTTLE_RECOVERY_SECONDS: "1",
};
const HIGHEST = {
  WS_PING_SECONDS: "3600",
  WS_REPLAY_BUFFER: "10000",
  WS_MAX_MESSAGE_BYTES: "1048576",
  WS_MAX_CHANNELS: "10000",
  WS_INBOUND_RATE: "10000",
  WS_INBOUND_BURST: "10000",
  WS_THROTTLE_RECOVERY_SECONDS: "3600",
};
const FAST = { WS_MAX_NATS_RATE: "0", WS_MAX_BROADCAST_RATE: "0" };

describe("limits of the gateway", { skip: withoutNats(), concurrency: 2 }, () => {
  for (const [name, env, maxChannels] of [
    ["lowest", LOWEST, 4],
    ["highest", HIGHEST, 10_000],
  ] as const) {
    test(`${name} settings: everything arrives, also after cuts and while channels change`, async (t) => {
      const nats = await startNats(t);
      const gateway = await startGateway(t, { nats, env: { ...FAST, ...env } });
      const proxy = await startProxy(t, gateway.wsPort);
      const witness = startWitness(t, proxy.url);
      const book = await witness.listen("LIM1.trade", "LIM2.*");
      const feed = startFeed(t, nats, ["LIM1.trade", "LIM2.social"], 2);
      for (let n = 0; n < 60; n++) {
        const leave = witness.client.subscribe(`CHURN${n}.trade`, () => {});
        witness.client.resume(); // As at each look at the page.
        await pause(20);
        leave();
        if (n === 30) proxy.cut();
      }
      await witness.until("open");
      const names = Array.from({ length: Math.min(maxChannels, 400) }, (_, n) => `MANY${n}.trade`);
      const leaveMany = witness.client.subscribe(names, () => {});
      const wanted = Math.min(maxChannels, names.length + 2);
      await eventually(
        () => JSON.stringify([witness.client.status, witness.errors, witness.states.slice(-6)]),
        async () => (await gateway.stats()).subscriptions === wanted,
      );
      const waiting = witness.errors.flatMap(({ channels }) => channels);
      assert.deepEqual(waiting, names.slice(wanted - 2), "only channels beyond the limit are reported");
      leaveMany();
      await eventually("two channels", async () => (await gateway.stats()).subscriptions === 2);
      await assertExact(book, await feed.stop());
      assert.deepEqual(witness.refetches, []);
      const states = witness.states.filter(({ state }) => state === "waiting");
      assert.deepEqual(
        [...new Set(states.map(({ reason }) => reason))],
        ["lost"],
        "only the cut ended a connection",
      );
    });
  }
});
