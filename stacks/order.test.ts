import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf } from "./preview/graph.ts";
import { recordWith } from "./recorded.fixture.ts";
import { THREE_REGIONS } from "./regions.fixture.ts";

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

const RANKED = [
  // The canary and its judge, then the rollout and the test of one region after the other.
  "gateway-canary-judge",
  "gateway-rollout",
  "rollout-test",
  "gateway-asia-southeast1-rollout",
  "rollout-asia-southeast1-test",
  "gateway-europe-west1-rollout",
  "rollout-europe-west1-test",
  "rollout-entrance-test",
];

test("three regions: each region waits for the test of the region before it, and the entrance for all of them", async () => {
  const { all, upstream } = await graph("prod", THREE_REGIONS);
  const commands = all(COMMAND);
  const command = (name: string) => commands.find((found) => found.name === name);
  for (const [index, name] of RANKED.entries()) {
    const found = command(name);
    assert.ok(found, name);
    const before = upstream(found, COMMAND).map((other) => other.name);
    assert.deepEqual(
      RANKED.filter((other) => before.includes(other)),
      RANKED.slice(0, index),
      name,
    );
  }
  const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
  const last = all(GROUP).find(({ name }) => name === "gateway-europe-west1-group");
  assert.ok(last && upstream(last, COMMAND).some(({ name }) => name === "rollout-asia-southeast1-test"));
  assert.ok(upstream(last, COMMAND).some(({ name }) => name === "nats-europe-west1-startup"));
  const [entrance] = all("gcp:compute/backendService:BackendService");
  assert.ok(entrance);
  const groups = (entrance.inputs.backends as { group: string }[]).map(({ group }) => group);
  assert.deepEqual(
    groups.map((url) => /regions\/([^/]+)\/instanceGroups\/(.*)$/.exec(url)?.slice(1)),
    [
      ["us-central1", "gateway-group"],
      ["us-central1", "gateway-canary-group"],
      ["asia-southeast1", "gateway-asia-southeast1-group"],
      ["europe-west1", "gateway-europe-west1-group"],
    ],
  );
});

test("a region is emptied before anything of it is deleted: its drain depends on everything that clients need", async () => {
  const { all, upstream, resources } = await graph("prod", THREE_REGIONS);
  const drain = all(COMMAND).find(({ name }) => name === "drain-europe-west1-group");
  assert.ok(drain);
  const types = resources.map(({ type }) => type);
  const before = new Set(upstream(drain, ...types).map(({ urn }) => urn));
  const needed = resources.filter(
    ({ custom, name }) =>
      custom && /^(gateway|load-balancer|network|nats)-europe-west1/.test(name) && !name.includes("rollout"),
  );
  assert.ok(needed.length >= 10, `${needed.length}`);
  assert.deepEqual(
    needed.filter(({ urn }) => !before.has(urn)).map(({ name }) => name),
    [],
  );
  assert.deepEqual(
    [drain.inputs.delete, (drain.inputs.environment as Record<string, string>).DRAIN],
    ["DRAIN=true npm run --silent drain-region", "false"],
  );
});
