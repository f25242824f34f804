import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { record } from "../offline/offline.ts";
import { Machine, testSite } from "../offline/site.fixture.ts";
import { Network, type NetworkArgs, networkMistakes } from "./network.ts";

const build = (args: Partial<NetworkArgs> = {}) =>
  record(() => new Network("main", { site: testSite, cidr: "10.10.0.0/20", ...args }));

const wrong = (args: Partial<NetworkArgs>) =>
  networkMistakes({ site: testSite, cidr: "10.10.0.0/20", ...args }).map(({ propertyPath }) => propertyPath);

test("a network with one subnet that reaches Google's services without an address", async () => {
  const { one, resources } = await build();
  const network = one("gcp:compute/network:Network");
  assert.deepEqual(network.inputs, {
    name: "odin-test-main",
    project: "test-project",
    description: "odin-test: gateways and what they need",
    autoCreateSubnetworks: false,
    routingMode: "REGIONAL",
  });
  assert.deepEqual(one("gcp:compute/subnetwork:Subnetwork").inputs, {
    name: "odin-test-main",
    project: "test-project",
    region: "us-central1",
    network: "projects/test-project/global/networks/odin-test-main",
    description: "odin-test: all machines",
    ipCidrRange: "10.10.0.0/20",
    privateIpGoogleAccess: true,
  });
  const component = one("odin-ws:index:Network").urn;
  const children = resources.filter(({ custom }) => custom);
  assert.deepEqual(
    children.map(({ name, parent }) => [name, parent]).sort(),
    ["main", "main-nat", "main-router", "main-subnet"].map((name) => [name, component]),
  );
});

test("a NAT that logs its errors", async () => {
  const { one } = await build();
  assert.deepEqual(one("gcp:compute/routerNat:RouterNat").inputs, {
    name: "odin-test-main",
    project: "test-project",
    region: "us-central1",
    router: "odin-test-main",
    natIpAllocateOption: "AUTO_ONLY",
    sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
    enableEndpointIndependentMapping: false,
    logConfig: { enable: true, filter: "ERRORS_ONLY" },
  });
});

test("dynamic ports with natMinPortsPerVm", async () => {
  const { inputs } = (await build({ natMinPortsPerVm: 1024 })).one("gcp:compute/routerNat:RouterNat");
  assert.equal(inputs.enableDynamicPortAllocation, true);
  assert.equal(inputs.minPortsPerVm, 1024);
  assert.equal(inputs.enableEndpointIndependentMapping, false);
});

test("a resource that uses the subnet waits for the NAT", async () => {
  const { one } = await record(() => {
    const { subnetId } = new Network("main", { site: testSite, cidr: "10.10.0.0/20" });
    new Machine("machine", { subnetId });
  });
  const machine = one("test:index:Machine");
  assert.equal(
    machine.inputs.subnetId,
    "projects/test-project/regions/us-central1/subnetworks/odin-test-main",
  );
  assert.ok(machine.dependencies.includes(one("gcp:compute/routerNat:RouterNat").urn));
});

test("all mistakes are reported together, each with its path", async () => {
  await assert.rejects(build({ cidr: "10.10.0.1/20", natMinPortsPerVm: 1000 }), (error) => {
    assert.ok(error instanceof Error && "errors" in error);
    assert.deepEqual(error.errors, [
      {
        propertyPath: "cidr",
        reason: "is 10.10.0.1/20: it must begin with the first address of the range",
      },
      {
        propertyPath: "natMinPortsPerVm",
        reason: "is 1000: it must be a power of two from 32 to 32768, for example 1024",
      },
    ]);
    assert.match(error.message, /^network "main" cannot be created:\n {2}cidr is 10\.10\.0\.1\/20: /);
    return true;
  });
});

test("private ranges from /16 to /28 outside of Docker's own network", () => {
  for (const cidr of ["10.0.0.0/16", "10.10.0.0/20", "172.16.0.0/16", "172.18.4.0/24", "192.168.1.16/28"]) {
    assert.deepEqual(wrong({ cidr }), [], cidr);
  }
  for (const cidr of [
    "10.0.0.0",
    "10.0.0.0/8",
    "10.0.0.0/29",
    "256.0.0.0/20",
    "8.8.8.0/24",
    "172.17.0.0/20",
    "::/64",
  ]) {
    assert.deepEqual(wrong({ cidr }), ["cidr"], cidr);
  }
});

test("minimum ports are the powers of two from 32 to 32768 and nothing else", () => {
  const powers = Array.from({ length: 11 }, (_, index) => 32 * 2 ** index);
  for (const ports of powers) assert.deepEqual(wrong({ natMinPortsPerVm: ports }), [], String(ports));
  for (const ports of [0, 16, 33, 65536])
    assert.deepEqual(wrong({ natMinPortsPerVm: ports }), ["natMinPortsPerVm"]);
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.double()), (ports) => {
      assert.equal(wrong({ natMinPortsPerVm: ports }).length, powers.includes(ports) ? 0 : 1);
    }),
  );
});
