import assert from "node:assert/strict";
import { test } from "node:test";
import { monthly, record } from "@odin-ws/infra";
import * as gcp from "@pulumi/gcp";
import { billOf } from "./costs.ts";
import { graphOf } from "./graph.ts";
import { sampleGraph } from "./sample.fixture.ts";

const rounded = (usd: number | undefined) => (usd === undefined ? undefined : Math.round(usd * 100) / 100);

test("each item has a line, with its cost at the fewest and at the most VMs", async () => {
  const bill = billOf(await sampleGraph());
  assert.deepEqual(
    bill.lines.map(({ part, least, most }) => [part, rounded(least.usd), rounded(most.usd)]),
    [
      ["gateways-group", 97.84, 244.59],
      ["gateways-group, boot disks", 4, 10],
      ["nats", 12.23, 12.23],
      ["nats, boot disk", 1, 1],
      ["nats-data", 2, 2],
      ["load balancer", 18.25, 18.25],
      ["balancer-address", 0, 0],
      ["network-nat", 6.72, 9.78], // 3 and 6 VMs and an address
      ["secrets", 0.06, 0.06],
      ["registry", 0.5, 0.5],
      ["uptime checks", 0, 0],
    ],
  );
  const sum = (end: "least" | "most") => bill.lines.reduce((total, line) => total + (line[end].usd ?? 0), 0);
  assert.deepEqual([bill.least, bill.most], [sum("least"), sum("most")]);
});

test("a bucket of logs costs its content and the writes of Loki; another bucket only its content", async () => {
  const { resources } = await record(() => {
    new gcp.storage.Bucket("files", { location: "US-CENTRAL1", labels: { role: "config" } });
    new gcp.storage.Bucket("logs", { location: "US-CENTRAL1", labels: { role: "logs" } });
  });
  const { lines, notes } = billOf(graphOf(resources));
  assert.deepEqual(
    lines.map(({ part, most }) => [part, rounded(most.usd)]),
    [
      ["buckets", 0.04], // 2 GiB
      ["buckets, writes of logs", 0.5],
    ],
  );
  assert.ok(notes.some((note) => note.includes("100,000 writes of logs")));
});

test("an item without a price is undefined in its line and missing in the sum", async () => {
  const { lines, least } = billOf(await sampleGraph({ machineType: "c9-huge-8" }));
  const [group] = lines;
  assert.equal(group?.least.usd, undefined);
  assert.match(group?.most.note ?? "", /c9-huge-8/);
  assert.equal(rounded(least), rounded(billOf(await sampleGraph()).least - 2 * 730 * 0.06701142));
});

test("traffic has its own lines, for the fewest and for the most VMs", async () => {
  const graph = await sampleGraph();
  const without = billOf(graph);
  const withTraffic = billOf(graph, { least: monthly.egress(100), most: monthly.egress(200) });
  assert.ok(without.notes.some((note) => note.includes("--traffic-gib N adds it")));
  assert.ok(!withTraffic.notes.some((note) => note.includes("--traffic-gib")));
  // 0.12 to the internet, 0.008 through the load balancer.
  assert.equal(rounded(withTraffic.least - without.least), 12.8);
  assert.equal(rounded(withTraffic.most - without.most), 25.6);
});

test("notes for another region and for spot VMs", async () => {
  const other = billOf(await sampleGraph({ region: "europe-west1", spot: true }));
  assert.ok(other.notes.some((note) => /prices are those of us-central1; europe-west1/.test(note)));
  assert.match(other.lines[0]?.most.note ?? "", /spot/);
  assert.ok(!billOf(await sampleGraph()).notes.some((note) => note.includes("prices are those of")));
});

test("types that the table does not know are named in the notes", async () => {
  const { resources } = await record(() => {
    new gcp.redis.Instance("cache", { memorySizeGb: 5 });
    new gcp.compute.Address("spare", { region: "us-central1" });
    new gcp.compute.SecurityPolicy("armor", { rules: [{ action: "allow", priority: 1, match: {} }] });
  });
  const { lines, notes } = billOf(graphOf(resources), {
    least: monthly.egress(10),
    most: monthly.egress(10),
  });
  assert.ok(notes.some((note) => /^no price: gcp:redis\/instance:Instance/.test(note)));
  assert.ok(notes.some((note) => /--traffic-gib add nothing/.test(note)));
  assert.deepEqual(
    lines.map(({ part, most }) => [part, rounded(most.usd)]),
    [
      ["spare", 7.3], // nothing uses it
      ["Cloud Armor", 6],
    ],
  );
});
