import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "@odin-ws/infra";
import program from "./index.ts";
import { graphOf } from "./preview/graph.ts";
import { repositoryFolder } from "./preview/record-stack.ts";
import { readStack } from "./preview/stack-config.ts";

// What comes after what when a stack is made from nothing: an engine that creates as much as it can at a time is the hard case.

const COMMAND = "command:local:Command";
const ENTRANCES = [
  "gcp:compute/forwardingRule:ForwardingRule",
  "gcp:compute/globalForwardingRule:GlobalForwardingRule",
];

async function graph(stack: string, values: Record<string, string>) {
  const { project, config, secretKeys } = readStack(repositoryFolder, stack);
  const own = { ...values, jwtSecret: "jwt-secret-of-the-order-test-0123456789" };
  const named = Object.fromEntries(Object.entries(own).map(([key, value]) => [`${project}:${key}`, value]));
  const { resources } = await record(() => program(), {
    project,
    stack,
    config: { ...config, ...named },
    secretKeys: [...secretKeys, ...Object.keys(named)],
  });
  return graphOf(resources);
}

for (const [stack, values] of [
  ["staging", {}],
  ["prod", { domain: "live.example.com", dnsZone: "example-com" }],
] as const) {
  test(`${stack}: the smoke test waits for every VM's start, every entrance and all that leads to one`, async () => {
    const { all, upstream } = await graph(stack, values);
    const commands = all(COMMAND);
    const gate = commands.find(({ name }) => name === "rollout-test");
    assert.ok(gate);
    const before = new Set(
      upstream(gate, COMMAND, ...ENTRANCES, "gcp:dns/recordSet:RecordSet").map(({ urn }) => urn),
    );
    const needed = [...commands, ...all(...ENTRANCES, "gcp:dns/recordSet:RecordSet")].filter(
      ({ urn }) => urn !== gate.urn,
    );
    assert.ok(needed.length >= 3, `${needed.length}`);
    assert.deepEqual(
      needed.filter(({ urn }) => !before.has(urn)).map(({ name }) => name),
      [],
    );
    assert.equal((gate.inputs.environment as Record<string, string>).ODIN_SMOKE_DEADLINE_SECONDS, "600");
  });

  test(`${stack}: alerts on what is absent come after the smoke test`, async () => {
    const { all, upstream } = await graph(stack, values);
    const policies = all("gcp:monitoring/alertPolicy:AlertPolicy");
    assert.ok(policies.length >= 4);
    for (const policy of policies)
      assert.ok(
        upstream(policy, COMMAND).some(({ name }) => name === "rollout-test"),
        policy.name,
      );
  });
}
