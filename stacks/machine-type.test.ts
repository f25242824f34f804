/** Everything that follows from the machine type, in the recorded resources. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SIZE_SETTINGS } from "./config/gateway-size.ts";
import { stackPolicy } from "./limits/stack-policy.ts";
import { billOf } from "./preview/costs.ts";
import { graphOf } from "./preview/graph.ts";
import { recordWith } from "./recorded.fixture.ts";

const STACKS = ["staging", "prod"];

async function deployed(stack: string, values: Record<string, string> = {}) {
  const { resources } = await recordWith(stack, values);
  const graph = graphOf(resources);
  const { fleet, policy, maxConnections, cpuReject } = stackPolicy(graph, stack);
  const metadata = fleet.template.inputs.metadata as Record<string, string>;
  const settings = Object.fromEntries(
    Object.entries(metadata).flatMap(([key, value]) =>
      SIZE_SETTINGS.some((name) => key === `odin-env-${name}`)
        ? [[key.slice("odin-env-".length), value]]
        : [],
    ),
  );
  return { settings, policy, maxConnections, cpuReject, bill: billOf(graph) };
}

test("stacks with an e2-standard-2 set nothing that follows from the machine", async () => {
  for (const stack of STACKS) {
    const { settings, policy, maxConnections } = await deployed(stack);
    assert.deepEqual(settings, {});
    assert.deepEqual([policy.connectionsTarget, maxConnections], [8000, 10_000]);
  }
});

test("gateways, autoscaler, limits and cost follow a larger machine", async () => {
  const { settings, policy, maxConnections, cpuReject, bill } = await deployed("prod", {
    machineType: "e2-standard-4",
  });
  assert.deepEqual(settings, {
    WS_CPU_LIMIT: "3.9",
    WS_MEMORY_LIMIT: String(14 * 2 ** 30),
    WS_MAX_CONNECTIONS: "20000",
  });
  assert.deepEqual([policy.connectionsTarget, maxConnections], [16_000, 20_000]);
  assert.ok(Math.abs(cpuReject - (0.75 * 3.9) / 4) < 1e-9);
  assert.ok(policy.cpuTarget !== undefined && policy.cpuTarget < cpuReject);
  const line = bill.lines.find(({ least }) => least.item.includes("e2-standard-4"));
  assert.ok(Math.abs((line?.least.usd ?? 0) - 2 * 97.84) < 0.02, `${line?.least.usd}`);
});

test("an unknown machine has no cost, and its scaling is not simulated", async () => {
  const gateway = JSON.stringify({
    WS_CPU_LIMIT: "1.9",
    WS_MEMORY_LIMIT: "3000000000",
    WS_MAX_CONNECTIONS: "9000",
  });
  const values = { machineType: "x9-standard-2", gateway };
  await assert.rejects(
    deployed("prod", values),
    /x9-standard-2, which is not in .*: their CPU cannot be simulated/,
  );
  const { resources } = await recordWith("prod", values);
  const line = billOf(graphOf(resources)).lines.find(({ least }) => least.item.includes("x9-standard-2"));
  assert.equal(line?.least.usd, undefined);
  assert.match(line?.least.note ?? "", /no price: machine type x9-standard-2/);
});
