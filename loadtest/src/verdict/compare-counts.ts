import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "../settings/options.ts";
import type { Evidence } from "./checks.ts";
import type { GatewayFigures, GatewayWatch } from "./gateway-watch.ts";
import type { Totals } from "./totals.ts";

const LOOKS = 5;
const BETWEEN = 1000; // ms
/** Of the own count: what comes while both are looked at leaves room for a difference. */
const MOST_WIDTH = 2; // percent

interface Counted {
  watch: GatewayWatch;
  totals: Totals;
  /** Ends all subscriptions and waits for the counts. */
  rest: () => Promise<void>;
  /** Waits for the counts. */
  settle: () => Promise<void>;
}

/** Why the counts of these gateways cannot be compared. */
function incomparable({ scenario, urls, metrics }: Options): string | undefined {
  if (scenario === "reconnect" || scenario === "slow-clients")
    return "what is written to a connection that breaks may never arrive";
  const gateways = new Set(urls).size;
  const pages = new Set(metrics).size;
  return pages < gateways
    ? `${gateways} gateways, and the /metrics of ${pages}: name each of them with --metrics`
    : undefined;
}

/** Compares the own count with the gateways'. Returns their last figures, and both counts or why they cannot be compared. */
export async function compareCounts(
  options: Options,
  before: GatewayFigures | undefined,
  { watch, totals, rest, settle }: Counted,
): Promise<[GatewayFigures | undefined, Evidence["counts"]]> {
  const why = incomparable(options);
  if (why !== undefined) return [await watch.look(), why];
  const own = options.nats !== undefined;
  // Others go on publishing.
  if (!own) await rest();
  const least = totals.counts.deliveries;
  let after = await watch.look();
  if (before === undefined || after === undefined)
    return [after, `the gateway's metrics could not be read: ${watch.trouble}`];
  // A process of a gateway that is busy may be seconds late with its figures.
  for (let again = 0; again < LOOKS && after.sent - before.sent < least; again++) {
    await sleep(BETWEEN);
    after = (await watch.look()) ?? after;
  }
  await settle();
  const most = totals.counts.deliveries;
  if (before.connections > 0 || after.connections > options.connections)
    return [after, `${before.connections} other clients were connected`];
  if (Object.keys(totals.ended).length > 0) return [after, "connections ended while messages were under way"];
  const width = (100 * (most - least)) / Math.max(most, 1);
  if (width > MOST_WIDTH)
    return [after, `${width.toFixed(1)} % of all deliveries came while both were counted: too many to tell`];
  return [after, { gateway: after.sent - before.sent, least, most }];
}
