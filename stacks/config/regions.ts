/** The key `regions`: the regions in which gateways run, when there are several. */

import {
  defaultRange,
  FLEET_RANGES,
  orderMistakes,
  REGIONS,
  rangeMistake,
  type Site,
  shortRegion,
  zoneMistakes,
  zonesOf,
} from "@odin-ws/infra";
import { z } from "zod";
import type { Values } from "./keys.ts";
import { overlap } from "./ranges.ts";
import { entriesOf, type Mistake, Rejected } from "./values.ts";

const ZONE = /^[a-z]+-[a-z]+\d+-[a-z]$/;

const limit = ({ least, most }: { least: number; most: number }) =>
  z.int(`must be a whole number from ${least} to ${most}`).min(least).max(most).optional();

const REGION = z.strictObject({
  zones: z
    .array(z.string().regex(ZONE, "must have zones, for example europe-west1-b"))
    .min(1, "is empty: it must name at least one zone"),
  minInstances: limit(FLEET_RANGES.minInstances),
  maxInstances: limit(FLEET_RANGES.maxInstances),
  networkRange: z.string().optional(),
  drain: z.boolean("must be true or false").default(false),
});

/** One region as the configuration has it. */
export type RegionValues = z.infer<typeof REGION>;

/** A region beside the home region (`gcp:region`), with all values. */
export interface FurtherRegion {
  /** For example `europe-west1`. */
  region: string;
  /**
   * The stack's site in this region. Its prefix has the region's short name, for example `odin-prod-euw1`,
   * and is too long for ids of service accounts.
   */
  site: Site;
  zones: string[];
  minInstances: number;
  maxInstances: number;
  /** Range of the region's subnet. */
  networkRange: string;
  /** True: the region's gateways send their clients away and stop, so that the region can be removed. */
  drain: boolean;
}

const EXAMPLE = "europe-west1: { zones: [europe-west1-b, europe-west1-c], minInstances: 2, maxInstances: 5 }";

/** Reads the key `regions`: a map from region to its zones and limits. */
export function regions(text: string): Record<string, RegionValues> {
  const entries = entriesOf(text, `a map from region to its zones and limits, for example ${EXAMPLE}`);
  const read: Record<string, RegionValues> = {};
  const wrong: string[] = [];
  for (const [region, value] of entries) {
    const { data, error } = REGION.safeParse(value);
    if (error === undefined) read[region] = data;
    else
      for (const { path, message } of error.issues)
        wrong.push(`${[region, ...path.slice(0, 1)].join(".")} ${message}`);
  }
  if (wrong.length > 0)
    throw new Rejected(
      `zones, minInstances, maxInstances, networkRange and drain for each region, and ${wrong.join("; ")}`,
    );
  return read;
}

/** The keys that `regions` replaces for the home region, with the home region's values. */
export function homeValues(
  values: Values,
  home: string,
): Pick<Values, "zones" | "minInstances" | "maxInstances"> {
  const own = values.regions[home];
  const { minInstances, maxInstances, zones } = values;
  return {
    zones: own?.zones ?? zones,
    minInstances: own?.minInstances ?? minInstances,
    maxInstances: own?.maxInstances ?? maxInstances,
  };
}

/** All regions except the home region, in the order in which an update rolls through them: by name. */
export function furtherRegions(values: Values, site: Site): FurtherRegion[] {
  return Object.entries(values.regions)
    .filter(([region]) => region !== site.region)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([region, own]) => ({
      region,
      site: { ...site, region, prefix: `${site.prefix}-${shortRegion(region)}` },
      zones: own.zones,
      minInstances: own.minInstances ?? values.minInstances,
      maxInstances: own.maxInstances ?? values.maxInstances,
      networkRange: own.networkRange ?? defaultRange(region),
      drain: own.drain,
    }));
}

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
