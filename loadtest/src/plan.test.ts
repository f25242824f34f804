import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isChannel, MAX_CHANNELS } from "@odin-ws/protocol";
import { BULK, channelsOf, matcher, planFor } from "./plan.ts";

describe("who subscribes to what", () => {
  test("own messages: 1,210 of 10,000 connections have each channel", () => {
    const plan = planFor("own", 10_000);
    const subscribers = new Map<string, number>();
    for (let connection = 0; connection < 10_000; connection++) {
      for (const channel of channelsOf(plan, connection))
        subscribers.set(channel, (subscribers.get(channel) ?? 0) + 1);
    }
    assert.ok(plan.hot.length >= 30);
    for (const channel of plan.hot) assert.deepEqual([channel, subscribers.get(channel)], [channel, 1210]);
  });

  test("a market: about 12 % have each token, few enough channels for a connection", () => {
    const plan = planFor("market", 1000);
    const all = Array.from({ length: 1000 }, (_, connection) => channelsOf(plan, connection));
    for (const token of ["BTC", "PEPE"]) {
      const share = all.filter((channels) => matcher(channels)(`${token}.trade`)).length / 1000;
      assert.ok(share > 0.1 && share < 0.14, `${token}: ${share}`);
    }
    assert.ok(
      all.every((channels) => channels.length <= MAX_CHANNELS && matcher(channels)("global.trending")),
    );
  });

  test("few connections work, too", () => {
    for (const connections of [1, 2, 7]) {
      const plan = planFor("own", connections);
      const channels = Array.from({ length: connections }, (_, n) => channelsOf(plan, n)).flat();
      assert.ok(
        plan.hot.every((hot) => channels.includes(hot) && isChannel(hot)),
        `${connections}`,
      );
    }
  });

  test("slow clients ask for more", () => {
    assert.ok(channelsOf(planFor("own", 100), 0, true).includes(BULK));
    assert.deepEqual(channelsOf(planFor("market", 100), 0, true), ["*.*"]);
  });
});
