import type { Mistake } from "../argument-mistakes.ts";
import { maxDrainSeconds } from "../network/draining.ts";
import type { GatewayFleetArgs } from "./gateway-fleet.ts";

type Checked = Omit<GatewayFleetArgs, "subnet" | "account" | "boot" | "machineType">;

const EXACT_IMAGE = /^cos-(stable-|beta-|dev-)?\d+(-\d+){3}$/;

/** Everything that is wrong with a fleet's arguments, each alone and with each other. */
export function fleetMistakes(args: Checked): Mistake[] {
  return [...zoneMistakes(args), ...sizeMistakes(args), ...targetMistakes(args), ...vmMistakes(args)];
}

function zoneMistakes({ site, zones }: Checked): Mistake[] {
  if (zones.length === 0)
    return [
      { propertyPath: "zones", reason: `is empty: it must name a zone of ${site.region}, better three` },
    ];
  return zones.flatMap((zone, index) => {
    const propertyPath = `zones[${index}]`;
    if (zone.slice(0, -2) !== site.region)
      return [{ propertyPath, reason: `is ${zone}, which is not in region ${site.region}` }];
    if (zones.indexOf(zone) !== index)
      return [{ propertyPath, reason: `is ${zone}, which is in the list twice` }];
    return [];
  });
}

function sizeMistakes({ minInstances, maxInstances }: Checked): Mistake[] {
  const mistakes = [
    ...integerMistakes("minInstances", minInstances, 1, 2000),
    ...integerMistakes("maxInstances", maxInstances, 1, 2000),
  ];
  if (minInstances > maxInstances)
    mistakes.push({
      propertyPath: "minInstances",
      reason: `is ${minInstances}, more than maxInstances, which is ${maxInstances}`,
    });
  return mistakes;
}

function targetMistakes({ cpuTarget, connectionsTarget, scaleInMinutes }: Checked): Mistake[] {
  return [
    ...(cpuTarget > 0 && cpuTarget <= 1
      ? []
      : [{ propertyPath: "cpuTarget", reason: `is ${cpuTarget}: it is a part of 1, for example 0.6` }]),
    ...integerMistakes("connectionsTarget", connectionsTarget, 1, Number.MAX_SAFE_INTEGER),
    ...integerMistakes("scaleInMinutes", scaleInMinutes, 1, 60), // the autoscaler's fields end at 3,600 s
  ];
}

function vmMistakes({ cosImage, drainSeconds, spot = false }: Checked): Mistake[] {
  const mistakes: Mistake[] = [];
  if (!EXACT_IMAGE.test(cosImage))
    mistakes.push({
      propertyPath: "cosImage",
      reason: `is ${cosImage}: it must be an exact image, for example cos-133-19999-44-85, or every VM may run another one`,
    });
  const longest = maxDrainSeconds(spot);
  if (!Number.isInteger(drainSeconds) || drainSeconds < 0 || drainSeconds > longest)
    mistakes.push({
      propertyPath: "drainSeconds",
      reason: `is ${drainSeconds}: it must be a whole number from 0 to ${longest}, after which the power of a ${spot ? "Spot" : "standard"} VM is cut`,
    });
  return mistakes;
}

function integerMistakes(propertyPath: string, value: number, min: number, max: number): Mistake[] {
  if (Number.isInteger(value) && value >= min && value <= max) return [];
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
  return [{ propertyPath, reason: `is ${value}: it must be a whole number ${range}` }];
}
