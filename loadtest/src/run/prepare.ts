/** Everything that is found out and settled before the first connection of a load. */

import type { Options } from "../settings/options.ts";
import { createFeed } from "../traffic/create-feed.ts";
import type { Feed } from "../traffic/feed.ts";
import { marketPlan, ownPlan, type Plan } from "../traffic/plan.ts";
import { Ledger } from "../verdict/ledger.ts";
import { firstLook } from "./first-look.ts";

const MIN_SLOW = 5;
/** In `connection-rate` RATE is of connections; messages there only keep the gateway from idling. */
const MESSAGES_BESIDE = 12; // a second
/** What slow clients get of a publisher, or their buffers would take minutes to fill. */
const SLOW_RATE = 100; // messages a second

export interface Prepared {
  plan: Plan;
  feed: Feed;
  ledger: Ledger;
  /** Messages a second that the feed is told to publish, one for each stage. */
  rates: readonly number[];
  /** Clients that stop reading on purpose. */
  slow: number;
}

/** @throws Error when the load cannot be made, saying what to do */
export async function prepare(options: Options): Promise<Prepared> {
  const { connections, scenario, slowPercent, rates, nats, publisher } = options;
  const ledger = new Ledger();
  const wanted = Math.max(MIN_SLOW, Math.round((connections * slowPercent) / 100));
  const slow = scenario === "slow-clients" ? Math.min(wanted, connections - 1) : 0;
  const foreign = nats === undefined && publisher === undefined;
  const observed = await firstLook(options, foreign);
  const rate = scenario === "connection-rate" ? MESSAGES_BESIDE : Math.max(...rates);
  const published = slow > 0 ? Math.max(SLOW_RATE, rate) : rate;
  const traffic = observed ?? { tokens: [], rate: published };
  const plan = nats === undefined ? marketPlan(connections, rate, traffic) : ownPlan(connections);
  const feed = createFeed(options, plan, slow, (offset, channel) =>
    ledger.stored(offset, channel, performance.now()),
  );
  try {
    await feed.ready();
  } catch (error) {
    await feed.stop().catch(() => {});
    throw error;
  }
  // The load test's own publisher has large messages for slow clients beside the others.
  return {
    plan,
    feed,
    ledger,
    slow,
    rates: feed.kind === "own" ? rates : rates.map((one) => Math.max(one, slow > 0 ? SLOW_RATE : 0)),
  };
}
