import assert from "node:assert/strict";
import { test } from "node:test";
import { testSite } from "../offline/site.fixture.ts";
import { fleetMistakes } from "./fleet-mistakes.ts";

const RIGHT = {
  site: testSite,
  zones: ["us-central1-a", "us-central1-b"],
  cosImage: "cos-133-19999-44-85",
  minInstances: 1,
  maxInstances: 1,
  cpuTarget: 0.9,
  connectionsTarget: 100,
  scaleInMinutes: 60,
  drainSeconds: 100,
};

test("the ends of the ranges are allowed", () => {
  assert.deepEqual(fleetMistakes(RIGHT), []);
  const most = { minInstances: 100, maxInstances: 100, cpuTarget: 0.1, connectionsTarget: 1_000_000 };
  assert.deepEqual(fleetMistakes({ ...RIGHT, ...most }), []);
  assert.deepEqual(fleetMistakes({ ...RIGHT, spot: true, drainSeconds: 20, scaleInMinutes: 1 }), []);
  assert.deepEqual(fleetMistakes({ ...RIGHT, drainSeconds: 0, cosImage: "cos-stable-133-19999-44-85" }), []);
});

const WRONG: [string, Partial<typeof RIGHT> & { spot?: boolean }, [string, RegExp][]][] = [
  ["no zone", { zones: [] }, [["zones", /is empty: it must name at least one zone of region us-central1/]]],
  [
    "zone elsewhere",
    { zones: ["us-central1-a", "europe-west1-b"] },
    [["zones[1]", /is europe-west1-b: it must be a zone of region us-central1/]],
  ],
  ["zone twice", { zones: ["us-central1-a", "us-central1-a"] }, [["zones[1]", /twice/]]],
  [
    "minimum above the maximum",
    { minInstances: 2 },
    [["minInstances", /is 2: at most maxInstances, which is 1/]],
  ],
  ["no gateway", { minInstances: 0 }, [["minInstances", /is 0: .* from 1 to 100$/]]],
  ["too many gateways", { maxInstances: 101 }, [["maxInstances", /is 101: .* from 1 to 100$/]]],
  ["half a gateway", { maxInstances: 1.5 }, [["maxInstances", /is 1.5: it must be a whole number/]]],
  ["CPU in percent", { cpuTarget: 60 }, [["cpuTarget", /is 60: it must be a part of 1, from 0.1 to 0.9/]]],
  ["no CPU", { cpuTarget: 0 }, [["cpuTarget", /is 0/]]],
  ["nearly all CPU", { cpuTarget: 0.91 }, [["cpuTarget", /is 0.91/]]],
  ["few connections", { connectionsTarget: 99 }, [["connectionsTarget", /is 99: .* from 100 to 1000000$/]]],
  ["scale-in beyond an hour", { scaleInMinutes: 61 }, [["scaleInMinutes", /is 61: .* from 1 to 60/]]],
  ["image family", { cosImage: "cos-133-lts" }, [["cosImage", /is cos-133-lts: it must be an exact image/]]],
  [
    "path of an image",
    { cosImage: "projects/cos-cloud/global/images/cos-133-19999-44-85" },
    [["cosImage", /exact/]],
  ],
  [
    "drain longer than a VM has power",
    { drainSeconds: 101 },
    [["drainSeconds", /from 0 to 100, .* standard VM/]],
  ],
  [
    "drain longer than a spot VM has power",
    { drainSeconds: 21, spot: true },
    [["drainSeconds", /from 0 to 20, .* spot VM/]],
  ],
  [
    "all at once",
    { zones: [], minInstances: 9, drainSeconds: -1 },
    [
      ["zones", /empty/],
      ["minInstances", /9/],
      ["drainSeconds", /-1/],
    ],
  ],
];

for (const [name, changes, expected] of WRONG) {
  test(`reported: ${name}`, () => {
    const mistakes = fleetMistakes({ ...RIGHT, ...changes });
    assert.deepEqual(
      mistakes.map(({ propertyPath }) => propertyPath),
      expected.map(([propertyPath]) => propertyPath),
    );
    for (const [index, [, reason]] of expected.entries()) assert.match(mistakes[index]?.reason ?? "", reason);
  });
}
