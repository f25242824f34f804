/** The regions of a stack, and the traffic between them. */

import { type Cost, HOURS_A_MONTH, monthly, type Recorded } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import { measuredMessages } from "../traffic/messages.ts";
import { fleetsOf } from "./fleet.ts";
import { type Graph, textAt } from "./graph.ts";

const SUBNET = "gcp:compute/subnetwork:Subnetwork";
const NETWORK = "gcp:compute/network:Network";
const INSTANCE = "gcp:compute/instance:Instance";
const SECONDS_A_MONTH = HOURS_A_MONTH * 3600;
const GIB = 2 ** 30;
const NATS_HEADERS = 120; // bytes of a message's subject and headers, and of TCP and IP

/** The region of a resource that is in a region or in a zone; "" for others. */
export function regionOf({ inputs }: Recorded): string {
  return textAt(inputs, "region") || textAt(inputs, "zone").replace(/-[a-z]$/, "");
}

/** The regions in which a stack has machines, the home region first. */
export function regionsOf(graph: Graph): string[] {
  const networks = graph.all(NETWORK).map(({ parent }) => parent);
  const subnets = graph.all(SUBNET);
  // The home region's subnet belongs to the component of the network.
  const home = subnets.filter(({ parent }) => networks.includes(parent)).map(regionOf);
  return [...new Set([...home, ...subnets.map(regionOf)])].filter(Boolean);
}

/** The part of a region's name that is equal in one continent, for example `europe`. */
const continent = (region: string): string => region.replace(/-.*$/, "").replace(/^northamerica$/, "us");

/** What the stream costs that other regions read, with the fewest and the most gateways. */
export function betweenRegions(graph: Graph): { part: string; least: Cost; most: Cost }[] {
  const [home = "", ...others] = regionsOf(graph);
  const fleets = fleetsOf(graph);
  const cost = (region: string, readers: number) =>
    monthly.betweenRegions(
      Math.round((streamBytesPerSecond(graph) * SECONDS_A_MONTH * readers) / GIB),
      continent(home) === continent(region) ? "one continent" : "two continents",
    );
  return others.map((region) => {
    const hasNats = graph
      .all(INSTANCE)
      .some((vm) => regionOf(vm) === region && textAt(vm.inputs, "labels.role") === "nats");
    const gateways = fleets.filter(({ group }) => regionOf(group) === region);
    // A region's own NATS servers read the stream once for all gateways of the region.
    const readers = (end: "min" | "max") =>
      hasNats ? 1 : gateways.reduce((sum, fleet) => sum + fleet[end], 0);
    return {
      part: `stream to ${region}`,
      least: cost(region, readers("min")),
      most: cost(region, readers("max")),
    };
  });
}

/** Bytes a second of the stream at the highest rate that the gateways read. */
function streamBytesPerSecond(graph: Graph): number {
  const [fleet] = fleetsOf(graph);
  const given = textAt(fleet?.template.inputs.metadata, "odin-env-WS_MAX_NATS_RATE") || undefined;
  const perSecond = Number(SETTINGS.WS_MAX_NATS_RATE.parse(given)) || measuredMessages().perSecond;
  return perSecond * ((measuredMessages().bytes.plain?.frame ?? 0) + NATS_HEADERS);
}
