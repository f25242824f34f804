/**
 * Prepares a run before its first connection: checks the gateways, plans the subscriptions, starts the
 * publisher.
 */

import type { Options } from "../settings/options.ts";
import { createFeed } from "../traffic/create-feed.ts";
import type { Feed } from "../traffic/feed.ts";
import { marketPlan, ownPlan, type Plan } from "../traffic/plan.ts";
import { ExpectedMessages } from "../verdict/expected-messages.ts";
import { preflightCheck } from "./preflight-check.ts";

const MIN_SLOW = 5;
/** In `connection-rate`, RATE is a rate of connections. A few messages keep the gateway from being idle. */
const BACKGROUND_RATE = 12; // messages a second
/** Least rate for slow clients. With fewer messages, filling their buffers would take minutes. */
const SLOW_RATE = 100; // messages a second

export interface Prepared {
  plan: Plan;
  feed: Feed;
  expected: ExpectedMessages;
  /** Rate of each stage that the feed is to publish, messages a second. */
  rates: readonly number[];
  /** Number of clients that stop reading on command. */
  slow: number;
}

/** @throws Error that says why the load test cannot run, and what to do */
export async function prepare(options: Options): Promise<Prepared> {
  const { connections, scenario, slowPercent, rates, nats, publisher } = options;
  const expected = new ExpectedMessages();
  const wanted = Math.max(MIN_SLOW, Math.round((connections * slowPercent) / 100));
  const slow = scenario === "slow-clients" ? Math.min(wanted, connections - 1) : 0;
  const external = nats === undefined && publisher === undefined;
  const observed = await preflightCheck(options, external);
  const rate = scenario === "connection-rate" ? BACKGROUND_RATE : Math.max(...rates);
  const published = slow > 0 ? Math.max(SLOW_RATE, rate) : rate;
  const traffic = observed ?? { tokens: [], rate: published };
  const plan = nats === undefined ? marketPlan(connections, rate, traffic) : ownPlan(connections);
  const feed = createFeed(options, plan, slow, (offset, channel) =>
    expected.addStored(offset, channel, performance.now()),
  );
  try {
    await feed.ready();
  } catch (error) {
    await feed.stop().catch(() => {});
    throw error;
  }
  // The load test's own publisher sends additional large messages to slow clients, so it needs no higher
  // rate.
  return {
    plan,
    feed,
    expected,
    slow,
    rates: feed.kind === "own" ? rates : rates.map((one) => Math.max(one, slow > 0 ? SLOW_RATE : 0)),
  };
}
