import { setTimeout as sleep } from "node:timers/promises";
import type { Evidence } from "./checks.ts";
import type { GatewayFigures, GatewayWatch } from "./gateway-watch.ts";
import type { Options } from "./options.ts";
import type { Totals } from "./totals.ts";

const LOOKS = 5;
const BETWEEN = 1000; // ms

/** Compares the own count with the gateways'. Returns their last figures, and both counts or why they cannot be compared. */
export async function compareCounts(
  { scenario, connections }: Options,
  before: GatewayFigures | undefined,
  { watch, totals, settle }: { watch: GatewayWatch; totals: Totals; settle: () => Promise<void> },
): Promise<[GatewayFigures | undefined, Evidence["counts"]]> {
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
  if (scenario === "reconnect" || scenario === "slow-clients")
    return [after, "what is written to a connection that breaks may never arrive"];
  if (before.connections > 0 || after.connections > connections)
    return [after, `${before.connections} other clients were connected`];
  if (Object.keys(totals.ended).length > 0) return [after, "connections ended while messages were under way"];
  return [after, { gateway: after.sent - before.sent, least, most: totals.counts.deliveries }];
}
