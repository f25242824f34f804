import assert from "node:assert/strict";
import { test } from "node:test";
import { recordWith } from "../recorded.fixture.ts";
import { THREE_REGIONS, withDrain } from "../regions.fixture.ts";
import { billOf } from "./costs.ts";
import { usersOf } from "./demand.ts";
import { diagramDot, renderDiagram } from "./diagram.ts";
import { edgesOf } from "./diagram-edges.ts";
import { nodesOf } from "./diagram-nodes.ts";
import { fleetsOf } from "./fleet.ts";
import { graphOf } from "./graph.ts";
import { betweenRegions, regionOf, regionsOf } from "./regions.ts";

const graph = async (values: Record<string, string>) => graphOf((await recordWith("prod", values)).resources);

test("the home region comes first; a stack in one region has no traffic between regions", async () => {
  assert.deepEqual(regionsOf(await graph(THREE_REGIONS)), ["us-central1", "asia-southeast1", "europe-west1"]);
  const one = await graph({});
  assert.deepEqual(regionsOf(one), ["us-central1"]);
  assert.deepEqual(betweenRegions(one), []);
});

test("the bill has each region's machines, NAT and entrance, and the stream that the region reads", async () => {
  const three = await graph(THREE_REGIONS);
  const { lines, notes } = billOf(three);
  const line = (part: string) => lines.find((found) => found.part === part);
  for (const [region, least, most] of [
    ["asia-southeast1", 3, 6],
    ["europe-west1", 2, 4],
  ] as const) {
    assert.equal(line(`gateway-${region}-group`)?.least.item, `${least} × e2-standard-2`);
    assert.equal(line(`gateway-${region}-group`)?.most.item, `${most} × e2-standard-2`);
    assert.equal(line(`network-${region}-nat`)?.most.item, `Cloud NAT for ${most + 1} VMs and 1 address`);
    const stream = line(`stream to ${region}`);
    assert.match(stream?.most.item ?? "", /^\d+ GiB between regions of two continents$/);
    // The region's NATS server reads the stream once for all gateways.
    assert.ok((stream?.least.usd ?? 0) > 0);
    assert.deepEqual(stream?.most, stream?.least);
    assert.equal(line(`nats-${region}`)?.most.item, "e2-small");
  }
  // 3 NATS servers, monitoring, and the home region's own gateways.
  assert.equal(line("network-nat")?.least.item, "Cloud NAT for 6 VMs and 1 address");
  assert.ok(notes.some((note) => note.startsWith("traffic between regions: the stream")));
  assert.ok(!notes.some((note) => note.startsWith("no price:")), notes.join("\n"));
  assert.deepEqual(usersOf(three), { least: 7 * 8000, most: 15 * 8000 });
});

test("a region that is being removed has no gateways in the bill and in the diagram", async () => {
  const leaving = await graph(withDrain("europe-west1"));
  assert.deepEqual(
    fleetsOf(leaving)
      .map(({ group }) => regionOf(group))
      .sort(),
    ["asia-southeast1", "us-central1"],
  );
});

test("the diagram has a frame for each region, and the global entrance leads to all of them", async () => {
  const three = await graph(THREE_REGIONS);
  const nodes = nodesOf(three);
  const entrance = nodes.find(({ title }) => title === "TLS entrance (wss)");
  assert.ok(entrance?.lines.includes("to the nearest region"));
  const behind = edgesOf(three, nodes)
    .filter(({ from }) => from === entrance?.id)
    .map(({ to }) => nodes.find(({ id }) => id === to)?.machines?.region);
  assert.deepEqual(behind.sort(), ["asia-southeast1", "europe-west1", "us-central1"]);
  const balancers = nodes.filter(({ title }) => title === "Load balancer (ws)");
  assert.deepEqual(balancers.map(({ lines }) => lines.find((line) => /-\w+\d$/.test(line))).sort(), [
    "asia-southeast1",
    "europe-west1",
    "us-central1",
  ]);
  const gateways = nodes.filter(({ machines }) => machines?.group !== undefined);
  assert.deepEqual(
    gateways.map(({ machines }) => machines?.healedOn),
    ["/live", "/live", "/live"],
  );
  const dot = diagramDot(three, "prod");
  for (const label of ["us-central1  ·  10.10.0.0/20  ·  home", "europe-west1  ·  10.80.0.0/20"])
    assert.ok(dot.includes(`label="${label}"`), label);
  const svg = await renderDiagram(dot);
  for (const region of regionsOf(three)) assert.ok(svg.includes(region.replaceAll("-", "&#45;")), region);
});
