import type { Mistake } from "../argument-mistakes.ts";
import { maxDrainSeconds } from "../network/draining.ts";
import { EXACT_COS_IMAGE } from "./boot-disk.ts";
import type { GatewayFleetArgs } from "./gateway-fleet-args.ts";

/** Two numbers, both of which are allowed. */
export interface Range {
  least: number;
  most: number;
}

/**
 * Allowed values of a fleet's limits and targets. The configuration of a stack is checked against the same
 * values.
 */
export const FLEET_RANGES = {
  minInstances: { least: 1, most: 100 },
  maxInstances: { least: 1, most: 100 },
  cpuTargetPercent: { least: 10, most: 90 },
  connectionsTarget: { least: 100, most: 1_000_000 },
  scaleInMinutes: { least: 1, most: 60 }, // the autoscaler accepts at most 3,600 s
  canaryMinutes: { least: 1, most: 60 }, // jobs of CI end after 90 min
} satisfies Record<string, Range>;

type Checked = Omit<GatewayFleetArgs, "subnet" | "account" | "boot" | "machineType">;

/** Everything that is wrong with a fleet's arguments, each alone and with each other. */
export function fleetMistakes(args: Checked): Mistake[] {
  return [
    ...zoneMistakes(args.zones, args.site.region),
    ...integerMistakes("minInstances", args.minInstances, FLEET_RANGES.minInstances),
    ...integerMistakes("maxInstances", args.maxInstances, FLEET_RANGES.maxInstances),
    ...orderMistakes(args),
    ...targetMistakes(args),
    ...vmMistakes(args),
  ];
}

/**
 * What is wrong with the zones of a fleet.
 *
 * @param region undefined when it is not known: then only the number of zones and duplicates are checked
 */
export function zoneMistakes(zones: readonly string[], region: string | undefined): Mistake[] {
  if (zones.length === 0) {
    const place = region === undefined ? "" : ` of region ${region}`;
    return [{ propertyPath: "zones", reason: `is empty: it must name at least one zone${place}` }];
  }
  return zones.flatMap((zone, index) => {
    const propertyPath = `zones[${index}]`;
    if (region !== undefined && zone.slice(0, -2) !== region)
      return [{ propertyPath, reason: `is ${zone}: it must be a zone of region ${region}` }];
    if (zones.indexOf(zone) !== index)
      return [{ propertyPath, reason: `is ${zone}, which is in the list twice` }];
    return [];
  });
}

/** Reports a minimum that is above the maximum. */
export function orderMistakes(limits: Pick<GatewayFleetArgs, "minInstances" | "maxInstances">): Mistake[] {
  const { minInstances, maxInstances } = limits;
  if (minInstances <= maxInstances) return [];
  const reason = `is ${minInstances}: at most maxInstances, which is ${maxInstances}`;
  return [{ propertyPath: "minInstances", reason }];
}

function targetMistakes({ cpuTarget, connectionsTarget, scaleInMinutes }: Checked): Mistake[] {
  const { least, most } = FLEET_RANGES.cpuTargetPercent;
  const isPart = cpuTarget >= least / 100 && cpuTarget <= most / 100;
  const allowed = `a part of 1, from ${least / 100} to ${most / 100}`;
  return [
    ...(isPart ? [] : [{ propertyPath: "cpuTarget", reason: `is ${cpuTarget}: it must be ${allowed}` }]),
    ...integerMistakes("connectionsTarget", connectionsTarget, FLEET_RANGES.connectionsTarget),
    ...integerMistakes("scaleInMinutes", scaleInMinutes, FLEET_RANGES.scaleInMinutes),
  ];
}

function vmMistakes({ cosImage, drainSeconds, spot = false }: Checked): Mistake[] {
  const mistakes: Mistake[] = [];
  if (!EXACT_COS_IMAGE.test(cosImage))
    mistakes.push({
      propertyPath: "cosImage",
      reason: `is ${cosImage}: it must be an exact image, for example cos-133-19999-44-85, because with a family each VM may run another image`,
    });
  const longest = maxDrainSeconds(spot);
  if (!Number.isInteger(drainSeconds) || drainSeconds < 0 || drainSeconds > longest)
    mistakes.push({
      propertyPath: "drainSeconds",
      reason: `is ${drainSeconds}: it must be a whole number from 0 to ${longest}, because Google cuts the power of a leaving ${spot ? "spot" : "standard"} VM soon after that time`,
    });
  return mistakes;
}

function integerMistakes(propertyPath: string, value: number, { least, most }: Range): Mistake[] {
  if (Number.isInteger(value) && value >= least && value <= most) return [];
  return [{ propertyPath, reason: `is ${value}: it must be a whole number from ${least} to ${most}` }];
}
