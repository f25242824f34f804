/** The home region and the further regions, with all their values. */

import { defaultRange, type Site, shortRegion } from "@odin-ws/infra";
import type { Values } from "./keys.ts";

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
