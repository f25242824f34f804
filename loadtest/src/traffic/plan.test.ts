import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPattern, MAX_CHANNELS, parseChannel } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";
import { BULK_CHANNEL, channelsOf, marketPlan, matcher, ownPlan, type Plan } from "./plan.ts";

function subscribersOf(plan: Plan): Map<string, number> {
  const subscribers = new Map<string, number>();
  for (let connection = 0; connection < plan.connections; connection++) {
    for (const channel of channelsOf(plan, connection))
      subscribers.set(channel, (subscribers.get(channel) ?? 0) + 1);
  }
  return subscribers;
}
const channelCounts = (plan: Plan) =>
  Array.from({ length: plan.connections }, (_, connection) => channelsOf(plan, connection).length);

describe("plan of subscriptions", () => {
  test("own feed: each channel has 1,210 subscribers of 10,000 connections", () => {
    const plan = ownPlan(10_000);
    assert.ok(
      plan.channels.length >= 30 &&
        plan.channels.every((name) => parseChannel(name) === name && !isPattern(name)),
    );
    assert.deepEqual(
      [...subscribersOf(plan)].toSorted(),
      plan.channels.map((name) => [name, 1210] as const).toSorted(),
    );
    assert.ok(channelCounts(plan).every((count) => count === 3 || count === 4));
  });

  test("market feed: 12.1 % of the connections have each token, and no connection exceeds the channel limit", () => {
    const plan = marketPlan(1000, 12, { tokens: [], rate: 12 });
    for (const token of ["BTC", "PEPE", "global"])
      assert.equal(subscribersOf(plan).get(`${token}.*`), 121, token);
    assert.ok(channelCounts(plan).every((count) => count === 24 || count === 25));
    assert.ok(channelCounts(plan).every((count) => count <= MAX_CHANNELS));
  });

  test("market feed with too many messages: clients subscribe to a part that has the requested rate", () => {
    // This many events make the result independent of chance.
    const market = new Market({ seed: 7 });
    const events = Array.from({ length: 80_000 }, () => market.next(0).subject.split(".").at(-2) as string);
    const traffic = { tokens: [...new Set(events)], rate: 80 };
    const plan = marketPlan(1000, 12, traffic);
    const matches = matcher(plan.channels);
    const rate = events.filter((token) => matches(`${token}.trade`)).length / 1000;
    assert.ok(rate > 8 && rate < 16, `${rate} messages a second`);
    assert.equal(subscribersOf(plan).get(plan.channels[0] as string), 121);
    assert.equal(
      marketPlan(1000, 81, traffic).channels.length,
      new Set(events).size,
      "all tokens when the requested rate is not lower",
    );
  });

  test("market feed that is not the simulation: uses the observed tokens", () => {
    const tokens = ["BBB", "AAA", "global"];
    assert.deepEqual(marketPlan(100, 100, { tokens, rate: 41 }).channels, ["BBB.*", "AAA.*", "global.*"]);
    assert.equal(marketPlan(100, 0.1, { tokens, rate: 41 }).channels.length, 1, "at least one token");
  });

  test("works with few connections", () => {
    for (const connections of [1, 2, 7, 40, 333, 2000]) {
      const plan = ownPlan(connections);
      // The expected number of deliveries is computed from plan.subscribers.
      const subscribers = subscribersOf(plan);
      assert.ok(plan.channels.every((channel) => subscribers.get(channel) === plan.subscribers));
      const channels = Array.from({ length: connections }, (_, n) => channelsOf(plan, n)).flat();
      assert.ok(
        plan.channels.every((channel) => channels.includes(channel)),
        `${connections}`,
      );
    }
    const few = marketPlan(100, 1, { tokens: ["AAA"], rate: 9 });
    assert.ok(
      channelCounts(few).every((count) => count === 1),
      "a connection that is to receive nothing has a channel as well",
    );
  });

  test("slow clients subscribe to more", () => {
    assert.ok(channelsOf(ownPlan(100), 0, true).includes(BULK_CHANNEL));
    assert.deepEqual(channelsOf(marketPlan(100, 12, { tokens: [], rate: 12 }), 0, true), ["*.*"]);
  });
});
