import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { Machine, testSite } from "../offline/site.fixture.ts";
import { RegionNetwork } from "./region-network.ts";

const site = { ...testSite, region: "europe-west1", prefix: "odin-test-euw1" };
const build = (cidr = "10.80.0.0/20") =>
  record(() => {
    const { subnetId } = new RegionNetwork("network-europe-west1", { site, network: "networks/main", cidr });
    new Machine("machine", { subnetId });
  });

test("a subnet of the same network in another region, and a NAT of its own", async () => {
  const { one, all } = await build();
  assert.deepEqual(all("gcp:compute/network:Network"), []);
  const common = { name: "odin-test-euw1-network", project: "test-project", region: "europe-west1" };
  assert.deepEqual(one("gcp:compute/subnetwork:Subnetwork").inputs, {
    ...common,
    network: "networks/main",
    description: "odin-test-euw1: all machines",
    ipCidrRange: "10.80.0.0/20",
    privateIpGoogleAccess: true,
  });
  assert.deepEqual(one("gcp:compute/routerNat:RouterNat").inputs, {
    ...common,
    router: "odin-test-euw1-network",
    natIpAllocateOption: "AUTO_ONLY",
    sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
    enableEndpointIndependentMapping: false,
    logConfig: { enable: true, filter: "ERRORS_ONLY" },
  });
  assert.ok(
    one("test:index:Machine").dependencies.includes(one("gcp:compute/routerNat:RouterNat").urn),
    "a machine waits for the NAT",
  );
});

test("a range that is not allowed is refused", async () => {
  await assert.rejects(
    build("10.80.0.1/20"),
    /network of region "network-europe-west1" cannot be created:\n {2}cidr is 10\.80\.0\.1\/20: it must begin/,
  );
});
