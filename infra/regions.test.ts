import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultRange, REGIONS, shortRegion, zonesOf } from "./regions.ts";

test("short names and ranges are different for all regions, and short enough", () => {
  assert.equal(new Set(REGIONS.map(shortRegion)).size, REGIONS.length);
  assert.equal(new Set(REGIONS.map(defaultRange)).size, REGIONS.length);
  for (const region of REGIONS) {
    assert.match(shortRegion(region), /^[a-z]{3,4}\d{1,2}$/, region);
    assert.ok(shortRegion(region).length <= 5, region);
    // Google's own networks have ranges from 10.128.0.0, stacks usually have 10.10.0.0 and 10.20.0.0.
    assert.match(defaultRange(region), /^10\.(6[4-9]|[789]\d|1[01]\d|12[0-7])\.0\.0\/20$/, region);
  }
  assert.deepEqual(["europe-west1", "us-central1", "asia-southeast1"].map(shortRegion), [
    "euw1",
    "usc1",
    "apse1",
  ]);
});

test("ranges that running stacks have never change", () => {
  assert.deepEqual(
    ["africa-south1", "asia-southeast1", "europe-west1", "us-central1", "us-west4"].map(defaultRange),
    ["10.64.0.0/20", "10.72.0.0/20", "10.80.0.0/20", "10.97.0.0/20", "10.105.0.0/20"],
  );
});

test("zones of a region", () => {
  assert.deepEqual(zonesOf("europe-west1"), ["europe-west1-b", "europe-west1-c", "europe-west1-d"]);
  assert.equal(zonesOf("europe-west5"), undefined);
});
