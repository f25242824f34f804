import { setTimeout as sleep } from "node:timers/promises";
import type { Options } from "../settings/options.ts";
import type { Evidence } from "./check.ts";
import type { GatewayFigures, GatewayMetrics } from "./gateway-metrics.ts";
import type { Totals } from "./totals.ts";

const MAX_READS = 5;
const READ_INTERVAL_MS = 1000;
/** Limit for the deliveries that arrive while the counts are read, in percent of all deliveries. */
const MAX_UNCERTAINTY = 2;

interface Sources {
  metrics: GatewayMetrics;
  totals: Totals;
  /** Ends all subscriptions and waits until the load test's own count is final. */
  unsubscribe: () => Promise<void>;
  /** Brings the load test's own count up to date. */
  sample: () => Promise<void>;
}

/** Says why the counts of these gateways cannot be compared; undefined when they can. */
function incomparable({ scenario, urls, metrics }: Options): string | undefined {
  if (scenario === "reconnect" || scenario === "slow-clients")
    return "messages sent to a connection that breaks may never arrive";
  const gateways = new Set(urls).size;
  const pages = new Set(metrics).size;
  return pages < gateways
    ? `there are ${gateways} gateways but ${pages} /metrics pages: name the page of each gateway with --metrics`
    : undefined;
}

/**
 * Compares the load test's own count of deliveries with the gateways' metrics.
 *
 * @returns the gateways' last figures, and both counts or a text that says why the counts cannot be compared
 */
export async function compareCounts(
  options: Options,
  before: GatewayFigures | undefined,
  { metrics, totals, unsubscribe, sample }: Sources,
): Promise<[GatewayFigures | undefined, Evidence["counts"]]> {
  const reason = incomparable(options);
  if (reason !== undefined) return [await metrics.read(), reason];
  // An external feed keeps publishing, so the clients have to unsubscribe before the counts are final.
  if (options.nats === undefined) await unsubscribe();
  const least = totals.counts.deliveries;
  let after = await metrics.read();
  if (before === undefined || after === undefined)
    return [after, `the gateway's metrics could not be read: ${metrics.error}`];
  // A busy worker process of a gateway may report its figures seconds late.
  for (let reads = 0; reads < MAX_READS && after.sent - before.sent < least; reads++) {
    await sleep(READ_INTERVAL_MS);
    after = (await metrics.read()) ?? after;
  }
  await sample();
  const most = totals.counts.deliveries;
  if (before.connections > 0 || after.connections > options.connections)
    return [after, `${before.connections} other clients were connected`];
  if (Object.keys(totals.ended).length > 0)
    return [after, "connections ended while messages were on their way"];
  const percent = (100 * (most - least)) / Math.max(most, 1);
  if (percent > MAX_UNCERTAINTY)
    return [
      after,
      `${percent.toFixed(1)} % of all deliveries arrived while the counts were read: too many for a comparison`,
    ];
  return [after, { gateway: after.sent - before.sent, least, most }];
}
