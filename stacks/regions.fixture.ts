/** Values of keys with which tests run a stack in several regions. */

const HOME = { zones: ["us-central1-a", "us-central1-b", "us-central1-c"], minInstances: 2, maxInstances: 5 };
const EUROPE = { zones: ["europe-west1-b", "europe-west1-c"], minInstances: 2, maxInstances: 4 };
const ASIA = { zones: ["asia-southeast1-a", "asia-southeast1-b"], minInstances: 3, maxInstances: 6 };

const values = (regions: object) => ({
  zones: "[]",
  domain: "live.example.com",
  dnsZone: "example-com",
  regions: JSON.stringify(regions),
});

export const TWO_REGIONS = values({ "us-central1": HOME, "europe-west1": EUROPE });
export const THREE_REGIONS = values({
  "us-central1": HOME,
  "europe-west1": EUROPE,
  "asia-southeast1": ASIA,
});

/** Three regions, one of which is being removed. */
export function withDrain(region: string) {
  const regions = JSON.parse(THREE_REGIONS.regions) as Record<string, object>;
  return values({ ...regions, [region]: { ...regions[region], drain: true } });
}
