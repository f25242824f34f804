/** A demand by day and night in several regions: its gateways, its NATS servers and its cost. */

import { BOOT_DISK, type Cost, FLEET_RANGES, HOURS_A_MONTH, monthly } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import { MACHINES } from "../machines.ts";
import type { Messages } from "../traffic/messages.ts";
import { type Mix, trafficOf } from "../traffic/traffic.ts";
import type { Curve } from "./curve.ts";
import { DELAYS, type Gateway, type Moment, simulate } from "./simulator.ts";
import type { StackPolicy } from "./stack-policy.ts";

/** Part of a region's users who are connected at the quietest hour of its night. */
export const NIGHT = 0.35;
export const DAY_SECONDS = 86_400;
const POINT_SECONDS = 600; // between two points of a curve
const GIB = 2 ** 30;
const NATS_HEADERS = 120; // bytes of a message's subject and headers, and of TCP and IP
/** Bits a second that one NATS server on an e2-small sends: half of the machine's limit of 1 Gbit/s. */
const NATS_BITS = 500e6;

/** The demand. */
export interface World {
  /** Most clients at once in all regions together. */
  connections: number;
  regions: number;
  messages: Messages;
  mix: Mix;
}

/** One region over a day. */
export interface WorldRegion {
  /** Hours by which the region's day is later than that of the first region. */
  laterHours: number;
  /** Clients at the busiest hour of the region's day. */
  peak: number;
  /** Gateways that hold the night and the day at the target. */
  gateways: { night: number; day: number };
  /** Mean number of gateways over the day. */
  meanGateways: number;
  refused: number;
  /** Seconds of the day in which fewer gateways were in service than the demand needs at the target. */
  behindSeconds: number;
  moments: Moment[];
}

export interface WorldAnswer {
  regions: WorldRegion[];
  /** NATS servers in the home region, and in each other region. */
  nats: { home: number; other: number };
  /** Bits a second that the gateways of all regions read at their busiest moment, from their own region. */
  natsBits: number;
  /** GiB a month of the stream that other regions read from the home region. */
  betweenGib: number;
  costs: { part: string; cost: Cost }[];
  /** Why the stack's own values are not enough; empty when they are. */
  notes: string[];
}

/** The curve of one region from the quietest moment of its night to the next one. */
export function dayCurve(peak: number): Curve {
  return Array.from({ length: DAY_SECONDS / POINT_SECONDS + 1 }, (_, index) => {
    const at = index * POINT_SECONDS;
    const day = (1 - Math.cos((2 * Math.PI * at) / DAY_SECONDS)) / 2;
    return { at, connections: Math.round(peak * (NIGHT + (1 - NIGHT) * day)) };
  });
}

/**
 * Clients of one region at its peak, so that all regions together have `connections` at their busiest moment.
 */
export function peakOf({ connections, regions }: Pick<World, "connections" | "regions">): number {
  const curve = dayCurve(1_000_000);
  const points = curve.length - 1;
  const sums = Array.from({ length: points }, (_, index) =>
    Array.from(
      { length: regions },
      (_, region) => curve[(index + Math.round((region * points) / regions)) % points]?.connections ?? 0,
    ).reduce((sum, one) => sum + one, 0),
  );
  return Math.round((connections * 1_000_000) / Math.max(...sums));
}

/** Simulates the day of each region, and adds up what the service needs. */
export function world(
  { fleet, policy, maxConnections, cpuReject }: StackPolicy,
  demand: World,
  natsServers: number,
): WorldAnswer {
  const peak = peakOf(demand);
  const target = policy.connectionsTarget;
  const gateways = {
    night: Math.max(policy.min, Math.ceil((peak * NIGHT) / target)),
    day: Math.max(policy.min, Math.ceil(peak / target)),
  };
  const gateway: Gateway = { maxConnections, cpuReject, cpuWhenFull: undefined };
  // All regions have the same day, each at another time of the world's day.
  const moments = simulate({
    policy: { ...policy, min: gateways.night, max: gateways.day + 1 },
    gateway,
    delays: DELAYS,
    curve: dayCurve(peak),
    tail: 0,
  });
  const step = moments[1]?.at ?? 0;
  const region = {
    peak,
    gateways,
    meanGateways: moments.reduce((sum, { size }) => sum + size, 0) / moments.length,
    refused: Math.max(...moments.map(({ refused }) => refused)),
    behindSeconds: moments.filter(({ demand, serving }) => demand > serving * target).length * step,
    moments,
  };
  const regions = Array.from({ length: demand.regions }, (_, index) => ({
    ...region,
    laterHours: (24 * index) / demand.regions,
  }));
  const streamBytes = streamBytesPerSecond(fleet.template.inputs.metadata, demand.messages);
  const bitsOfRegion = streamBytes * 8 * (gateways.day + 1);
  const least = (servers: number) => Math.max(servers, Math.ceil(bitsOfRegion / NATS_BITS));
  const nats = { home: least(natsServers), other: least(1) };
  const betweenGib = (streamBytes * HOURS_A_MONTH * 3600 * (demand.regions - 1)) / GIB;
  return {
    regions,
    nats,
    natsBits: bitsOfRegion * demand.regions,
    betweenGib,
    costs: costsOf(demand, regions, fleet, nats, betweenGib),
    notes: notesOf(gateways.day + 1, nats, natsServers),
  };
}

/** Bytes a second of the stream, at the highest rate that the gateways read. */
function streamBytesPerSecond(metadata: unknown, messages: Messages): number {
  const given = (metadata as Record<string, string> | undefined)?.["odin-env-WS_MAX_NATS_RATE"];
  const perSecond = Number(SETTINGS.WS_MAX_NATS_RATE.parse(given)) || messages.perSecond;
  return perSecond * ((messages.bytes.plain?.frame ?? 0) + NATS_HEADERS);
}

function costsOf(
  { connections, regions: count, messages, mix }: World,
  regions: WorldRegion[],
  { machineType, spot }: StackPolicy["fleet"],
  nats: WorldAnswer["nats"],
  betweenGib: number,
): WorldAnswer["costs"] {
  const gateways = Math.ceil(regions.reduce((sum, { meanGateways }) => sum + meanGateways, 0));
  const servers = nats.home + nats.other * (count - 1);
  // The mean over the day of one region's curve.
  const users = Math.round(regions.reduce((sum, { peak }) => sum + peak * ((1 + NIGHT) / 2), 0));
  return [
    { part: "gateways, mean of the day", cost: monthly.vms(machineType, gateways, spot) },
    { part: "their disks", cost: monthly.disks(BOOT_DISK.type, BOOT_DISK.sizeGb, gateways) },
    { part: "NATS servers", cost: monthly.vms(MACHINES.nats.type, servers) },
    { part: "their disks", cost: monthly.disks("pd-balanced", MACHINES.nats.dataGib, servers) },
    { part: "load balancers", cost: monthly.forwardingRules(count, "regional") },
    { part: "global entrance", cost: monthly.forwardingRules(1, "global") },
    {
      part: "stream between regions",
      cost: monthly.betweenRegions(Math.round(betweenGib), "two continents"),
    },
    ...trafficOf(mix, messages, Math.min(users, connections)).costs.map((cost) => ({
      part: "traffic to the clients",
      cost,
    })),
  ];
}

function notesOf(most: number, nats: WorldAnswer["nats"], natsServers: number): string[] {
  const limit = FLEET_RANGES.maxInstances.most;
  return [
    ...(most > limit
      ? [
          `${most} gateways in a region are more than maxInstances allows, which is ${limit}: choose a larger machineType, or more regions`,
        ]
      : []),
    ...(nats.home > natsServers || nats.other > 1
      ? [
          `the gateways of a region read more than ${natsServers} NATS servers of the home region, or one of another region, send (half of 1 Gbit/s each)`,
        ]
      : []),
  ];
}
