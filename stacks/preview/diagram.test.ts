import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "@odin-ws/infra";
import * as gcp from "@pulumi/gcp";
import { diagramDot, renderDiagram } from "./diagram.ts";
import { edgesOf } from "./diagram-edges.ts";
import { nodesOf } from "./diagram-nodes.ts";
import { type Graph, graphOf } from "./graph.ts";
import { sampleGraph } from "./sample.fixture.ts";

/** Arrows as `from > to: label`, by the titles of the boxes. */
function arrows(graph: Graph): string[] {
  const nodes = nodesOf(graph);
  const title = (id: string) => nodes.find((node) => node.id === id)?.title ?? id;
  return edgesOf(graph, nodes)
    .filter(({ kind }) => kind !== "layout")
    .map(({ from, to, label }) => `${title(from)} > ${title(to)}${label ? `: ${label}` : ""}`)
    .sort();
}

test("arrows come from the load balancer, the firewall rules, the grants and the NAT", async () => {
  assert.deepEqual(arrows(await sampleGraph()), [
    "Browsers > Load balancer (ws): 3004",
    "Cloud Monitoring > Load balancer (ws): checks",
    "Google's health checks > gateways: 3002",
    "Load balancer (ws) > gateways: 3004",
    "People > nats: 22",
    "gateways > Secret Manager",
    "gateways > nats: 4222",
    "nats > Cloud NAT",
  ]);
});

test("a NATS outside of the stack is reached through the NAT", async () => {
  const found = arrows(await sampleGraph({ natsUrl: "tls://connect.ngs.global:4222" }));
  assert.ok(found.includes("gateways > Cloud NAT: NATS connect.ngs.global 4222"), found.join("\n"));
});

test("boxes show number, type and zones of VMs", async () => {
  const nodes = nodesOf(await sampleGraph({ min: 3, max: 7, spot: true }));
  const gateways = nodes.find(({ title }) => title === "gateways");
  assert.deepEqual(gateways?.lines, ["3 to 7 × e2-standard-2, spot", "autoscaled"]);
  assert.deepEqual(gateways?.cells, ["us-central1-a", "us-central1-b"]);
  const nats = nodes.find(({ title }) => title === "nats");
  assert.deepEqual([nats?.lines, nats?.cells], [["e2-small", "data disk 20 GiB"], ["us-central1-a"]]);
});

test("parts that a stack does not have are not drawn", async () => {
  const { resources } = await record(() => {
    new gcp.storage.Bucket("files", { location: "US", name: 'a "bucket" {of|files}' });
  });
  const dot = diagramDot(graphOf(resources), "small");
  for (const absent of ["Browsers", "People", "NAT", "Secret"])
    assert.ok(!dot.includes(`label="{${absent}`), absent);
  assert.match(await renderDiagram(dot), /a &quot;bucket&quot; \{of\|files\}/);
});

test("the network's label says that no machine has a public address", async () => {
  assert.match(diagramDot(await sampleGraph(), "sample"), /10\.10\.0\.0\/20 {2}· {2}no public addresses/);
  const { resources } = await record(() => {
    const network = new gcp.compute.Network("network", { name: "open" });
    new gcp.compute.InstanceTemplate("vm", {
      machineType: "e2-small",
      disks: [{}],
      networkInterfaces: [{ network: network.id, accessConfigs: [{}] }],
    });
  });
  assert.match(diagramDot(graphOf(resources), "open"), /label="network open"/);
});

test("the SVG has a white background, and the same bytes each time", async () => {
  const svg = async () => renderDiagram(diagramDot(await sampleGraph(), "stack sample"));
  const first = await svg();
  assert.equal(first, await svg());
  assert.match(first, /<polygon fill="(#ffffff|white)"/);
  for (const text of ["Load balancer (ws)", "2 to 5 × e2-standard-2", "10.10.0.0/20"])
    assert.ok(first.replaceAll("&#45;", "-").includes(text), text);
  assert.doesNotMatch(first, /Courier/);
});
