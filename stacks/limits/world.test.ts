import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf } from "../preview/graph.ts";
import { recordWith } from "../recorded.fixture.ts";
import { measuredMessages } from "../traffic/messages.ts";
import { readLimitsOptions } from "./cli-options.ts";
import { demandAt } from "./curve.ts";
import { stackPolicy } from "./stack-policy.ts";
import { DAY_SECONDS, dayCurve, NIGHT, peakOf, world } from "./world.ts";
import { worldPlot, worldReport } from "./world-report.ts";

const policy = stackPolicy(graphOf((await recordWith("prod")).resources), "prod");
const demandOf = (connections: number, regions: number) => ({
  ...{ connections, regions, messages: measuredMessages() },
  mix: { compressed: 100 },
});
const ask = (connections: number, regions: number) => world(policy, demandOf(connections, regions), 3);

test("a region's day goes from its night to its peak and back", () => {
  const curve = dayCurve(10_000);
  assert.deepEqual(
    [0, DAY_SECONDS / 2, DAY_SECONDS].map((at) => demandAt(curve, at)),
    [10_000 * NIGHT, 10_000, 10_000 * NIGHT],
  );
});

test("all regions together have the given number of clients at their busiest moment", () => {
  assert.equal(peakOf({ connections: 9000, regions: 1 }), 9000);
  // Two opposite days: the sum is always the peak and the night.
  assert.equal(peakOf({ connections: 13_500, regions: 2 }), 10_000);
  for (const regions of [2, 3, 4])
    assert.ok(peakOf({ connections: 90_000, regions }) < (90_000 / regions) * 1.6);
});

test("gateways follow from the target, and nobody is refused on a usual day", () => {
  const { regions, notes } = ask(100_000, 3);
  assert.equal(regions.length, 3);
  assert.deepEqual(
    regions.map(({ laterHours }) => laterHours),
    [0, 8, 16],
  );
  for (const { peak, gateways, refused, meanGateways } of regions) {
    assert.equal(gateways.day, Math.ceil(peak / 8000));
    assert.equal(gateways.night, Math.ceil((peak * NIGHT) / 8000));
    assert.equal(refused, 0);
    assert.ok(meanGateways >= gateways.night && meanGateways <= gateways.day + 1);
  }
  assert.deepEqual(notes, []);
});

test("the stream is paid for once for each further region, and each part has a price", () => {
  const one = ask(50_000, 1);
  const three = ask(50_000, 3);
  assert.equal(one.betweenGib, 0);
  assert.ok(Math.abs(three.betweenGib - 2 * ask(50_000, 2).betweenGib) < 1e-6);
  for (const { part, cost } of three.costs) assert.ok(cost.usd !== undefined, part);
});

test("a demand that one region's limits do not allow is said, with what to change", () => {
  assert.match(ask(3_000_000, 1).notes.join("\n"), /gateways in a region are more than maxInstances allows/);
});

test("the report and the plot", () => {
  const demand = demandOf(100_000, 3);
  const text = worldReport("prod", demand, ask(100_000, 3));
  assert.match(text, /^Stack prod with 100,000 clients at once in 3 regions, whose days are 8 h apart$/m);
  assert.match(text, /^ {2}traffic between regions: [\d,]+ GiB a month/m);
  assert.match(text, /^ {2}minInstances \d+, maxInstances \d+$/m);
  assert.doesNotMatch(text, /undefined|NaN/);
  assert.match(worldPlot("prod", demand, ask(100_000, 3)), /^<svg [\s\S]*region 3/);
});

test("--regions is about prod and needs --connections", () => {
  const read = (...args: string[]) => readLimitsOptions(args, ["prod", "staging"]);
  const options = read("--connections", "1000000", "--regions", "3");
  assert.ok(options !== "help" && !("mistakes" in options));
  assert.deepEqual([options.stack, options.connections, options.regions], ["prod", 1_000_000, 3]);
  assert.deepEqual(read("--regions", "3"), {
    mistakes: ["--regions needs --connections, the number of clients in all regions together"],
  });
});
