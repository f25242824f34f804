import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigError, parseConfig, type RawConfig, type StackConfig } from "./config.ts";
import { defaults } from "./defaults.fixture.ts";

const HOME = { zones: ["us-central1-a", "us-central1-b", "us-central1-c"] };
const EUROPE = { zones: ["europe-west1-b", "europe-west1-c"], minInstances: 2, maxInstances: 4 };
const ASIA = { zones: ["asia-southeast1-a", "asia-southeast1-b"], minInstances: 3, maxInstances: 6 };

function parse(regions: unknown, values: Record<string, unknown> = {}, rest: Partial<RawConfig> = {}) {
  return parseConfig({
    values: defaults({
      jwtSecret: "a secret of thirty-two characters",
      domain: "live.example.com",
      regions,
      ...values,
    }),
    stack: "prod",
    project: "my-project",
    region: "us-central1",
    ...rest,
  });
}

function mistakesOf(...args: Parameters<typeof parse>): readonly string[] {
  try {
    parse(...args);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.mistakes;
  }
  return [];
}

const ranges = ({ furtherRegions }: StackConfig) =>
  furtherRegions.map(({ region, networkRange }) => [region, networkRange]);

test("a stack without regions has none, and its zones and limits are the keys", () => {
  const zones = ["us-central1-a", "us-central1-b"];
  const config = parse({}, { zones, domain: "" });
  assert.deepEqual([config.furtherRegions, config.zones], [[], zones]);
});

test("the home region's entry takes the place of zones, minInstances and maxInstances", () => {
  const { zones, minInstances, maxInstances } = parse({
    "us-central1": { ...HOME, minInstances: 4, maxInstances: 9 },
    "europe-west1": EUROPE,
  });
  assert.deepEqual([zones, minInstances, maxInstances], [HOME.zones, 4, 9]);
  const other = parse({ "us-central1": HOME, "europe-west1": EUROPE }, { minInstances: 3, maxInstances: 7 });
  assert.deepEqual([other.minInstances, other.maxInstances], [3, 7], "limits of the stack where it has none");
});

test("further regions by name, each with its own names in the cloud and its own range", () => {
  const { furtherRegions, site } = parse({
    "us-central1": HOME,
    "europe-west1": EUROPE,
    "asia-southeast1": { zones: ASIA.zones, networkRange: "10.30.0.0/22", drain: true },
  });
  assert.deepEqual(furtherRegions, [
    {
      region: "asia-southeast1",
      site: { ...site, region: "asia-southeast1", prefix: "odin-prod-apse1" },
      zones: ASIA.zones,
      minInstances: 2,
      maxInstances: 5,
      networkRange: "10.30.0.0/22",
      drain: true,
    },
    {
      region: "europe-west1",
      site: { ...site, region: "europe-west1", prefix: "odin-prod-euw1" },
      ...EUROPE,
      networkRange: "10.80.0.0/20",
      drain: false,
    },
  ]);
});

test("the default range of a region does not depend on the other regions", () => {
  const both = parse({ "us-central1": HOME, "europe-west1": EUROPE, "asia-southeast1": ASIA });
  const one = parse({ "us-central1": HOME, "europe-west1": EUROPE });
  assert.deepEqual(ranges(both).slice(1), ranges(one));
});

describe("mistakes name the region, the value and what is allowed", () => {
  const cases: [string, unknown, RegExp, Record<string, unknown>?][] = [
    ["a list", ["europe-west1"], /^regions is .*: allowed is a map from region to its zones and limits/],
    [
      "an unknown field",
      { "us-central1": { ...HOME, size: 3 } },
      /^regions is .*: allowed is zones, .* and us-central1 .*"size"/,
    ],
    ["no zone", { "us-central1": { zones: [] } }, /^regions is .* and us-central1\.zones is empty/],
    [
      "an unknown region",
      { "us-central1": HOME, "europe-west5": { zones: ["europe-west5-a", "europe-west5-b"] } },
      /^regions\.europe-west5 is not a region that is known here: known are africa-south1, /,
    ],
    [
      "a zone of another region",
      { "us-central1": HOME, "europe-west1": { zones: ["europe-west1-b", "europe-west2-b"] } },
      /^regions\.europe-west1\.zones\[1\] is europe-west2-b: it must be a zone of region europe-west1$/,
    ],
    [
      "a zone that the region does not have",
      { "us-central1": HOME, "europe-west1": { zones: ["europe-west1-a", "europe-west1-b"] } },
      /^regions\.europe-west1\.zones has europe-west1-a, which does not exist: europe-west1 has .*-b, .*-c, .*-d$/,
    ],
    [
      "a zone twice",
      { "us-central1": HOME, "europe-west1": { zones: ["europe-west1-b", "europe-west1-b"] } },
      /^regions\.europe-west1\.zones\[1\] is europe-west1-b, which is in the list twice$/,
    ],
    [
      "min > max",
      { "us-central1": HOME, "europe-west1": { ...EUROPE, minInstances: 5 } },
      /^regions\.europe-west1\.minInstances is 5: at most maxInstances, which is 4$/,
    ],
    [
      "the stack's minimum above the region's maximum",
      { "us-central1": { ...HOME, maxInstances: 2 } },
      /^regions\.us-central1\.minInstances is 3: at most maxInstances, which is 2$/,
      { minInstances: 3 },
    ],
    ["no home region", { "europe-west1": EUROPE }, /^regions has no us-central1, which is gcp:region/],
    [
      "a home region that leaves",
      { "us-central1": { ...HOME, drain: true }, "europe-west1": EUROPE },
      /^regions\.us-central1\.drain is true: the home region, /,
    ],
    [
      "zones in two places",
      { "us-central1": HOME },
      /^zones is \[us-central1-a\]: with regions, .*pulumi config rm zones$/,
      { zones: ["us-central1-a"] },
    ],
    ["no domain", { "us-central1": HOME }, /^domain is missing: regions needs it/, { domain: "" }],
    [
      "a range of the home region",
      { "us-central1": { ...HOME, networkRange: "10.30.0.0/20" } },
      /^regions\.us-central1\.networkRange is 10\.30\.0\.0\/20: .* the key networkRange$/,
    ],
    [
      "a range that overlaps the home region's",
      { "us-central1": HOME, "europe-west1": { ...EUROPE, networkRange: "10.10.8.0/22" } },
      /^regions\.europe-west1\.networkRange is 10\.10\.8\.0\/22, which overlaps 10\.10\.0\.0\/20, networkRange: choose another range, for example 10\.80\.0\.0\/20$/,
    ],
    [
      "a range that overlaps another region's default",
      {
        "us-central1": HOME,
        "asia-southeast1": ASIA,
        "europe-west1": { ...EUROPE, networkRange: "10.72.0.0/24" },
      },
      /^regions\.europe-west1\.networkRange is 10\.72\.0\.0\/24, which overlaps 10\.72\.0\.0\/20, regions\.asia-southeast1\.networkRange: /,
    ],
    [
      "a range that overlaps a peered network",
      { "us-central1": HOME, "europe-west1": { ...EUROPE, networkRange: "10.30.0.0/20" } },
      /^regions\.europe-west1\.networkRange is .* overlaps 10\.30\.0\.0\/16, a range of publisherRanges/,
      {
        publisherNetworks: ["projects/my-backend/global/networks/default"],
        publisherRanges: ["10.30.0.0/16"],
      },
    ],
    [
      "a public range",
      { "us-central1": HOME, "europe-west1": { ...EUROPE, networkRange: "8.8.8.0/24" } },
      /^regions\.europe-west1\.networkRange is 8\.8\.8\.0\/24: it must be private/,
    ],
    [
      "one zone in prod",
      { "us-central1": HOME, "europe-west1": { zones: ["europe-west1-b"] } },
      /^regions\.europe-west1\.zones is \[europe-west1-b\]: prod needs at least two/,
    ],
    [
      "one gateway in prod",
      { "us-central1": HOME, "europe-west1": { ...EUROPE, minInstances: 1 } },
      /^regions\.europe-west1\.minInstances is 1: prod needs at least 2/,
    ],
    [
      "a cluster in two zones",
      { "us-central1": { zones: ["us-central1-a", "us-central1-b"] } },
      /^regions\.us-central1\.zones is .*: nats cluster needs three/,
      { nats: "cluster" },
    ],
  ];
  for (const [name, value, expected, values] of cases)
    test(name, () => {
      const mistakes = mistakesOf(value, values);
      assert.equal(mistakes.length, 1, mistakes.join("\n"));
      assert.match(mistakes[0] ?? "", expected);
    });
});

test("a capacity test has one region", () => {
  const open = { kind: "capacity-test", gateway: { AUTH_MODE: "none" }, jwtSecret: "", domain: "" };
  const zones = ["us-central1-a"];
  const [mistake, ...more] = mistakesOf({ "us-central1": HOME }, { ...open, zones }, { stack: "capacity" });
  assert.match(mistake ?? "", /^regions is set: a capacity test has one region/);
  assert.deepEqual(more, []);
});

test("all mistakes are reported at once", () => {
  const mistakes = mistakesOf(
    {
      "europe-west5": { zones: ["europe-west5-a", "europe-west5-b"] },
      "europe-west1": { zones: ["europe-west1-b", "us-east1-b"], minInstances: 5, maxInstances: 4 },
      "asia-southeast1": { ...ASIA, networkRange: "10.10.0.0/24" },
    },
    { domain: "", zones: ["us-central1-a"] },
  );
  assert.deepEqual(
    mistakes.map((line) => line.split(" ").slice(0, 2).join(" ")),
    [
      "zones is",
      "domain is",
      "regions has",
      "regions.europe-west5 is",
      "regions.europe-west1.zones[1] is",
      "regions.europe-west1.minInstances is",
      "regions.asia-southeast1.networkRange is",
    ],
  );
});
