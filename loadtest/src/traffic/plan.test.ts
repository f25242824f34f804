import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isChannel, MAX_CHANNELS } from "@odin-ws/protocol";
import { Market } from "@odin-ws/publisher/market";
import { BULK, channelsOf, marketPlan, matcher, ownPlan, type Plan } from "./plan.ts";

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

describe("who subscribes to what", () => {
  test("own messages: 1,210 of 10,000 connections have each channel", () => {
    const plan = ownPlan(10_000);
    assert.ok(plan.hot.length >= 30 && plan.hot.every(isChannel));
    assert.deepEqual(
      [...subscribersOf(plan)].toSorted(),
      plan.hot.map((name) => [name, 1210] as const).toSorted(),
    );
    assert.ok(channelCounts(plan).every((count) => count === 3 || count === 4));
  });

  test("a market: 12.1 % have each token, few enough channels for a connection", () => {
    const plan = marketPlan(1000, 12, { tokens: [], rate: 12 });
    for (const token of ["BTC", "PEPE", "global"])
      assert.equal(subscribersOf(plan).get(`${token}.*`), 121, token);
    assert.ok(channelCounts(plan).every((count) => count === 24 || count === 25));
    assert.ok(channelCounts(plan).every((count) => count <= MAX_CHANNELS));
  });

  test("of a market that is too fast only a part is asked for, at the rate that was wanted", () => {
    // More than any run looks at, so that chance is no part of the result.
    const market = new Market({ seed: 7 });
    const events = Array.from({ length: 80_000 }, () => market.next(0).subject.split(".").at(-2) as string);
    const traffic = { tokens: [...new Set(events)], rate: 80 };
    const plan = marketPlan(1000, 12, traffic);
    const matches = matcher(plan.hot);
    const rate = events.filter((token) => matches(`${token}.trade`)).length / 1000;
    assert.ok(rate > 8 && rate < 16, `${rate} messages a second`);
    assert.equal(subscribersOf(plan).get(plan.hot[0] as string), 121);
    assert.equal(marketPlan(1000, 81, traffic).hot.length, new Set(events).size, "all of it at its own rate");
  });

  test("tokens of a backend that is no simulation are those that were seen", () => {
    const tokens = ["BBB", "AAA", "global"];
    assert.deepEqual(marketPlan(100, 100, { tokens, rate: 41 }).hot, ["BBB.*", "AAA.*", "global.*"]);
    assert.equal(marketPlan(100, 0.1, { tokens, rate: 41 }).hot.length, 1, "never nothing");
  });

  test("few connections work, too", () => {
    for (const connections of [1, 2, 7, 40, 333, 2000]) {
      const plan = ownPlan(connections);
      // What deliveries are reckoned with.
      const subscribers = subscribersOf(plan);
      assert.ok(plan.hot.every((hot) => subscribers.get(hot) === plan.subscribers));
      const channels = Array.from({ length: connections }, (_, n) => channelsOf(plan, n)).flat();
      assert.ok(
        plan.hot.every((hot) => channels.includes(hot)),
        `${connections}`,
      );
    }
    const few = marketPlan(100, 1, { tokens: ["AAA"], rate: 9 });
    assert.ok(
      channelCounts(few).every((count) => count === 1),
      "a connection without messages has a channel as well",
    );
  });

  test("slow clients ask for more", () => {
    assert.ok(channelsOf(ownPlan(100), 0, true).includes(BULK));
    assert.deepEqual(channelsOf(marketPlan(100, 12, { tokens: [], rate: 12 }), 0, true), ["*.*"]);
  });
});
