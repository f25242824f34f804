/** Mistakes of the key `regions`. */

import { defaultRange, orderMistakes, REGIONS, rangeMistake, zoneMistakes, zonesOf } from "@odin-ws/infra";
import type { Values } from "./keys.ts";
import { overlap } from "./ranges.ts";
import type { RegionValues } from "./regions.ts";
import type { Mistake } from "./values.ts";

/** Whether the stack has the key `regions`. */
export const hasRegions = ({ regions = {} }: Partial<Values>): boolean => Object.keys(regions).length > 0;

/**
 * Mistakes of the key `regions`, each alone and together with other keys; none without the key.
 *
 * @param home `gcp:region`
 */
export function regionMistakes(
  values: Partial<Values>,
  home: string | undefined,
  production: boolean,
): Mistake[] {
  const { regions = {}, kind, zones = [], domain, nats } = values;
  if (!hasRegions(values)) return [];
  if (kind === "capacity-test")
    return ["regions is set: a capacity test has one region, pulumi config rm regions"];
  const mistakes: Mistake[] = [];
  if (zones.length > 0)
    mistakes.push(
      `zones is [${zones}]: with regions, each region has its zones there, pulumi config rm zones`,
    );
  if ("domain" in values && domain === undefined)
    mistakes.push(
      "domain is missing: regions needs it, because wss://DOMAIN is the entrance that sends each client to the nearest region",
    );
  if (home !== undefined && regions[home] === undefined)
    mistakes.push(
      `regions has no ${home}, which is gcp:region: the home region of NATS and monitoring has gateways, too`,
    );
  if (home !== undefined && regions[home]?.drain)
    mistakes.push(
      `regions.${home}.drain is true: the home region, which has NATS and monitoring, cannot be removed`,
    );
  for (const [region, own] of Object.entries(regions))
    mistakes.push(...ownMistakes(region, own, values, production));
  const homeZones = home === undefined ? undefined : regions[home]?.zones;
  if (nats === "cluster" && homeZones !== undefined && homeZones.length < 3)
    mistakes.push(
      `regions.${home}.zones is [${homeZones}]: nats cluster needs three zones, one for each server`,
    );
  return [...mistakes, ...rangeMistakes(values, home)];
}

function ownMistakes(
  region: string,
  own: RegionValues,
  { minInstances = 1, maxInstances = Number.POSITIVE_INFINITY }: Partial<Values>,
  production: boolean,
): Mistake[] {
  const path = `regions.${region}`;
  const known = zonesOf(region);
  const mistakes: Mistake[] = [];
  if (known === undefined)
    mistakes.push(`${path} is not a region that is known here: known are ${REGIONS.join(", ")}`);
  else
    for (const { propertyPath, reason } of zoneMistakes(own.zones, region))
      mistakes.push(`${path}.${propertyPath} ${reason}`);
  for (const zone of own.zones)
    if (known !== undefined && zone.startsWith(`${region}-`) && !known.includes(zone))
      mistakes.push(`${path}.zones has ${zone}, which does not exist: ${region} has ${known.join(", ")}`);
  const limits = {
    minInstances: own.minInstances ?? minInstances,
    maxInstances: own.maxInstances ?? maxInstances,
  };
  for (const { propertyPath, reason } of orderMistakes(limits))
    mistakes.push(`${path}.${propertyPath} ${reason}`);
  if (production && own.zones.length === 1)
    mistakes.push(
      `${path}.zones is [${own.zones}]: prod needs at least two zones, to survive the loss of one`,
    );
  if (production && own.minInstances === 1)
    mistakes.push(`${path}.minInstances is 1: prod needs at least 2, to survive the loss of a gateway`);
  return mistakes;
}

/** The ranges of all subnets must be allowed, and no two may have an address in common. */
function rangeMistakes(values: Partial<Values>, home: string | undefined): Mistake[] {
  const { regions = {}, networkRange, publisherRanges = [], publisherNetworks = [] } = values;
  const mistakes: Mistake[] = [];
  const own = home === undefined ? undefined : regions[home]?.networkRange;
  if (own !== undefined)
    mistakes.push(
      `regions.${home}.networkRange is ${own}: the range of the home region is the key networkRange`,
    );
  const taken: { range: string; of: string }[] =
    networkRange === undefined ? [] : [{ range: networkRange, of: "networkRange" }];
  if (publisherNetworks.length > 0)
    taken.push(...publisherRanges.map((range) => ({ range, of: "a range of publisherRanges" })));
  for (const [region, { networkRange: given }] of Object.entries(regions)) {
    if (region === home || (given === undefined && !REGIONS.includes(region))) continue;
    const path = `regions.${region}.networkRange`;
    const range = given ?? defaultRange(region);
    const reason = rangeMistake(range);
    if (reason !== undefined) {
      mistakes.push(`${path} is ${range}: ${reason}`);
      continue;
    }
    for (const other of taken.filter((other) => overlap(range, other.range)))
      mistakes.push(
        `${path} is ${range}, which overlaps ${other.range}, ${other.of}: choose another range, for example ${defaultRange(region)}`,
      );
    taken.push({ range, of: path });
  }
  return mistakes;
}
