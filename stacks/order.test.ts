import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf } from "./preview/graph.ts";
import { recordWith } from "./recorded.fixture.ts";

// The order in which a new stack is created. The engine creates all resources at once that do not depend on
// each other.

const COMMAND = "command:local:Command";
const ENTRANCES = [
  "gcp:compute/forwardingRule:ForwardingRule",
  "gcp:compute/globalForwardingRule:GlobalForwardingRule",
];

const graph = async (stack: string, values: Record<string, string>) =>
  graphOf((await recordWith(stack, values)).resources);

for (const [stack, values] of [
  ["staging", {}],
  ["prod", { domain: "live.example.com", dnsZone: "example-com" }],
] as const) {
  test(`${stack}: the smoke test waits for the start of every VM, for every entrance and for the entrances' DNS records`, async () => {
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
    const environment = gate.inputs.environment as Record<string, string>;
    assert.equal(environment.ODIN_SMOKE_DEADLINE_SECONDS, "600");
    assert.equal(environment.ODIN_SMOKE_QUIET_STREAM, undefined, "a message must arrive");
    const certificate = all("gcp:certificatemanager/certificate:Certificate").at(0);
    assert.equal("domain" in values, certificate !== undefined);
    assert.equal(environment.ODIN_SMOKE_CERTIFICATE, certificate && `${certificate.name}-id`);
  });

  test(`${stack}: entrances lead to the group when its gateways run, and no gateway starts before NATS has started`, async () => {
    const { all, upstream } = await graph(stack, values);
    const namesBefore = (type: string) =>
      all(type).map((resource) => upstream(resource, COMMAND).map(({ name }) => name));
    const services = ["regionBackendService:RegionBackendService", "backendService:BackendService"].flatMap(
      (type) => namesBefore(`gcp:compute/${type}`),
    );
    assert.ok(services.length >= 1);
    for (const names of services) assert.ok(names.includes("gateway-rollout"), `${names}`);
    const servers = all(COMMAND).filter(({ name }) => /^nats(-\d)?-startup$/.test(name));
    assert.equal(servers.length, stack === "prod" ? 3 : 1);
    const [before = []] = namesBefore("gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager");
    for (const { name } of servers) assert.ok(before.includes(name), name);
  });

  test(`${stack}: alerts on missing data are created after the smoke test`, async () => {
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
