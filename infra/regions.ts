/** Regions of Google Cloud in which gateways can run. */

/**
 * Letters of the zones by region. The order numbers the regions, see {@link defaultRange}: add new regions at
 * the end, because another number would replace a region's subnet. Source: Compute Engine's reference of
 * regions and zones.
 */
const ZONES: Record<string, string> = {
  "africa-south1": "abc",
  "asia-east1": "abc",
  "asia-east2": "abc",
  "asia-northeast1": "abc",
  "asia-northeast2": "abc",
  "asia-northeast3": "abc",
  "asia-south1": "abc",
  "asia-south2": "abc",
  "asia-southeast1": "abc",
  "asia-southeast2": "abc",
  "australia-southeast1": "abc",
  "australia-southeast2": "abc",
  "europe-central2": "abc",
  "europe-north1": "abc",
  "europe-north2": "abc",
  "europe-southwest1": "abc",
  "europe-west1": "bcd",
  "europe-west2": "abc",
  "europe-west3": "abc",
  "europe-west4": "abc",
  "europe-west6": "abc",
  "europe-west8": "abc",
  "europe-west9": "abc",
  "europe-west10": "abc",
  "europe-west12": "abc",
  "me-central1": "abc",
  "me-central2": "abc",
  "me-west1": "abc",
  "northamerica-northeast1": "abc",
  "northamerica-northeast2": "abc",
  "northamerica-south1": "abc",
  "southamerica-east1": "abc",
  "southamerica-west1": "abc",
  "us-central1": "abcf",
  "us-east1": "bcd",
  "us-east4": "abc",
  "us-east5": "abc",
  "us-south1": "abc",
  "us-west1": "abc",
  "us-west2": "abc",
  "us-west3": "abc",
  "us-west4": "abc",
};

/** All regions that are known here. */
export const REGIONS: readonly string[] = Object.keys(ZONES);

/** Zones of a region, for example `us-central1-a`; undefined for an unknown region. */
export function zonesOf(region: string): string[] | undefined {
  const letters = ZONES[region];
  return letters === undefined ? undefined : [...letters].map((letter) => `${region}-${letter}`);
}

const FIRST_RANGE = 64; // 10.64.0.0/20; networks that Google creates by itself have ranges from 10.128.0.0

/**
 * Range of a region's subnet that has none of its own, for example `10.80.0.0/20`. The range depends on the
 * region alone, so that adding or removing another region changes nothing.
 */
export function defaultRange(region: string): string {
  return `10.${FIRST_RANGE + REGIONS.indexOf(region)}.0.0/20`;
}

const SHORT: Record<string, string> = {
  africa: "af",
  asia: "ap",
  australia: "au",
  europe: "eu",
  me: "me",
  northamerica: "na",
  southamerica: "sa",
  us: "us",
};

/**
 * Short name of a region, at most 5 characters, for example `euw1`: names of buckets, which contain the
 * project and the stack, have at most 63 characters.
 */
export function shortRegion(region: string): string {
  const [, continent = "", side = "", number = ""] = /^([a-z]+)-([a-z]+)(\d+)$/.exec(region) ?? [];
  const letters = side.replace(/(north|south|east|west|central)/g, (word) => word.charAt(0));
  return `${SHORT[continent] ?? continent}${letters}${number}`;
}
