/** The key `regions`: the regions in which gateways run, when there are several. */

import { FLEET_RANGES } from "@odin-ws/infra";
import { z } from "zod";
import { entriesOf, Rejected } from "./values.ts";

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
