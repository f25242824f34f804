import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { LoadBalancer } from "./load-balancer.ts";

const GROUP = "https://www.googleapis.com/compute/v1/projects/p/regions/r/instanceGroups/g";

const balancer = (site = testSite) =>
  record(() => new LoadBalancer("entrance", { site, instanceGroup: GROUP, drainSeconds: 60 }));

test("a static address whose packets for the clients' port go to the gateways", async () => {
  const { one, result } = await balancer();
  assert.deepEqual(one("gcp:compute/address:Address").inputs, {
    project: "test-project",
    region: "us-central1",
    name: "odin-test-ws",
    description: "ws:// clients",
    addressType: "EXTERNAL",
    networkTier: "PREMIUM",
    labels: { app: "odin-ws", stack: "test", role: "load-balancer" },
  });
  assert.deepEqual(one("gcp:compute/forwardingRule:ForwardingRule").inputs, {
    project: "test-project",
    region: "us-central1",
    name: "odin-test-ws",
    description: "ws:// clients",
    loadBalancingScheme: "EXTERNAL",
    networkTier: "PREMIUM",
    ipProtocol: "TCP",
    ipVersion: "IPV4",
    ipAddress: "203.0.113.10",
    ports: ["3004"],
    backendService: "projects/test-project/regions/us-central1/backendServices/odin-test-ws",
    labels: { app: "odin-ws", stack: "test", role: "load-balancer" },
  });
  result.address.apply((address) => assert.equal(address, "203.0.113.10"));
});

test("connections stay on their gateway, even on an unhealthy one", async () => {
  const { one } = await balancer();
  assert.deepEqual(one("gcp:compute/regionBackendService:RegionBackendService").inputs, {
    project: "test-project",
    region: "us-central1",
    name: "odin-test-ws",
    description: "gateways for ws:// clients",
    loadBalancingScheme: "EXTERNAL",
    protocol: "TCP",
    healthChecks: "projects/test-project/regions/us-central1/healthChecks/odin-test-ws-health",
    sessionAffinity: "CLIENT_IP",
    connectionTrackingPolicy: {
      trackingMode: "PER_CONNECTION",
      connectionPersistenceOnUnhealthyBackends: "DEFAULT_FOR_PROTOCOL",
    },
    connectionDrainingTimeoutSec: 120,
    backends: [{ group: GROUP, balancingMode: "CONNECTION" }],
  });
});

test("gateways that try a new template get their share of the clients", async () => {
  const canaryGroup = `${GROUP}-canary`;
  const { one } = await record(
    () =>
      new LoadBalancer("entrance", { site: testSite, instanceGroup: GROUP, canaryGroup, drainSeconds: 60 }),
  );
  assert.deepEqual(one("gcp:compute/regionBackendService:RegionBackendService").inputs.backends, [
    { group: GROUP, balancingMode: "CONNECTION" },
    { group: canaryGroup, balancingMode: "CONNECTION" },
  ]);
});

test("a leaving gateway is out of the rotation before it sends clients away", async () => {
  const { one } = await balancer();
  const { inputs } = one("gcp:compute/regionHealthCheck:RegionHealthCheck");
  assert.deepEqual(inputs.httpHealthCheck, { port: 3002, requestPath: "/health" });
  const quarterOfDrain = 60 / 4;
  assert.ok(Number(inputs.checkIntervalSec) * Number(inputs.unhealthyThreshold) < quarterOfDrain);
  assert.ok(Number(inputs.timeoutSec) <= Number(inputs.checkIntervalSec));
});

test("a gateway that disappears is out of the rotation before its clients notice the silence", async () => {
  const { one } = await balancer();
  const { inputs } = one("gcp:compute/regionHealthCheck:RegionHealthCheck");
  // The first check may have passed just before, and the last one fails by its timeout.
  const seconds =
    Number(inputs.checkIntervalSec) * Number(inputs.unhealthyThreshold) + Number(inputs.timeoutSec);
  const silenceSeconds = 10; // client/src/pulse.ts
  assert.ok(seconds < silenceSeconds);
});

test("only production's address is protected", async () => {
  const ofProtected = async (production: boolean) =>
    (await balancer({ ...testSite, production })).resources
      .filter(({ protect }) => protect)
      .map(({ type }) => type);
  assert.deepEqual(await ofProtected(false), []);
  assert.deepEqual(await ofProtected(true), ["gcp:compute/address:Address"]);
});

test("every child belongs to the load balancer", async () => {
  const { resources, one } = await balancer();
  const { urn } = one("odin-ws:index:LoadBalancer");
  const children = resources.filter((resource) => resource.urn !== urn);
  assert.equal(children.length, 4);
  for (const { parent, name } of children) {
    assert.equal(parent, urn);
    assert.match(name, /^entrance-/);
  }
});
