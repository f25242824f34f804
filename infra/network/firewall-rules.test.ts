import assert from "node:assert/strict";
import { test } from "node:test";
import { firewallMistakes } from "./firewall.ts";
import { capacityRules, type FirewallRule, serviceRules } from "./firewall-rules.ts";

const email = (role: string) => `${role}@test-project.iam.gserviceaccount.com`;
const gateway = email("gateway");
const nats = email("nats");
const monitoring = email("monitoring");
const publisher = email("publisher");
const backend = email("backend");
const runner = email("runner");

const IAP = "35.235.240.0/20";

/** Each pair of a source and a target with its port, as `source > target:port`, with short names of roles. */
function flows(rules: FirewallRule[]): string[] {
  const short = (account: unknown) => String(account).split("@")[0];
  return rules
    .flatMap(({ fromRanges, fromAccounts, ports, to }) =>
      [...(fromRanges ?? []), ...(fromAccounts ?? []).map(short)].flatMap((from) =>
        to.flatMap((target) => ports.map((port) => `${from} > ${short(target)}:${port}`)),
      ),
    )
    .sort();
}

const SERVICE = [
  "0.0.0.0/0 > gateway:3004",
  ...["35.191.0.0/16", "130.211.0.0/22", "209.85.152.0/22", "209.85.204.0/22"].map(
    (range) => `${range} > gateway:3002`,
  ),
  "monitoring > gateway:3002",
  "monitoring > gateway:12345",
  `${IAP} > gateway:22`,
  `${IAP} > monitoring:22`,
  ...[3010, 9090, 3100, 9093].map((port) => `${IAP} > monitoring:${port}`),
  "gateway > monitoring:3100",
];

const NATS = [
  "gateway > nats:4222",
  "monitoring > nats:4222",
  "monitoring > nats:8222",
  "monitoring > nats:12345",
  "nats > monitoring:3100",
  "nats > nats:6222",
  "nats > nats:8222",
  `${IAP} > nats:22`,
];

test("a service with NATS elsewhere", () => {
  assert.deepEqual(flows(serviceRules({ gateway, monitoring })), SERVICE.sort());
});

test("a service with its own NATS", () => {
  assert.deepEqual(flows(serviceRules({ gateway, monitoring, nats })), [...SERVICE, ...NATS].sort());
});

test("servers of other regions join the NATS servers, and nobody else reaches that port", () => {
  const roles = { gateway, monitoring, nats };
  const none = { internal: [], outside: [] };
  const added = flows(serviceRules(roles, none, { joined: true })).filter(
    (flow) => !flows(serviceRules(roles)).includes(flow),
  );
  assert.deepEqual(added, ["nats > nats:7422"]);
});

test("publishers in peered networks and outside reach NATS from their ranges only", () => {
  const roles = { gateway, monitoring, nats };
  const internal = ["10.30.0.0/16"];
  const probes = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"];
  const added = (publishers: { internal: string[]; outside: string[] }) => {
    const before = flows(serviceRules(roles));
    return flows(serviceRules(roles, publishers)).filter((flow) => !before.includes(flow));
  };
  assert.deepEqual(added({ internal, outside: [] }), ["10.30.0.0/16 > nats:4222"]);
  assert.deepEqual(
    added({ internal: [], outside: ["203.0.113.7/32"] }),
    ["203.0.113.7/32 > nats:4222", ...probes.map((range) => `${range} > nats:8222`)].sort(),
  );
  // NATS elsewhere has no rules here.
  assert.deepEqual(
    flows(serviceRules({ gateway, monitoring }, { internal, outside: [] })),
    [...SERVICE].sort(),
  );
  assert.deepEqual(
    firewallMistakes(serviceRules(roles, { internal, outside: ["203.0.113.7/32"] }), "odin-test"),
    [],
  );
});

test("a service with its own NATS and publisher", () => {
  assert.deepEqual(
    flows(serviceRules({ gateway, monitoring, nats, publisher })),
    [...SERVICE, ...NATS, "publisher > nats:4222", `${IAP} > publisher:22`].sort(),
  );
});

test("a capacity test", () => {
  assert.deepEqual(
    flows(capacityRules({ gateway, backend, runner })),
    [
      "runner > gateway:3004",
      "runner > gateway:3002",
      "runner > backend:3003",
      "runner > backend:4222",
      "gateway > backend:4222",
      "gateway > backend:3100",
      "backend > gateway:3002",
      "backend > gateway:12345",
      ...["gateway", "backend", "runner"].map((role) => `${IAP} > ${role}:22`),
      `${IAP} > backend:3010`,
      `${IAP} > backend:9090`,
    ].sort(),
  );
});

test("every rule is valid and gives its reason", () => {
  for (const rules of [
    serviceRules({ gateway, monitoring, nats, publisher }),
    capacityRules({ gateway, backend, runner }),
  ]) {
    assert.deepEqual(firewallMistakes(rules, "odin-test"), []);
    for (const { why } of rules) assert.match(why, /^[A-Z].{20,}\.$/);
  }
});

test("combinations of roles that are refused", () => {
  assert.throws(() => serviceRules({ gateway, monitoring, publisher }), /publisher without nats/);
  assert.throws(
    () => serviceRules({ gateway, monitoring: gateway }),
    /Roles gateway and monitoring share a service account/,
  );
  assert.throws(
    () => capacityRules({ gateway, backend, runner: backend }),
    /Roles backend and runner share a service account/,
  );
});
