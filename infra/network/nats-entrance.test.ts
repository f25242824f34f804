import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { NatsAddress, NatsEntrance } from "./nats-entrance.ts";
import { Peerings } from "./peerings.ts";

test("packets to port 4222 of the public address reach healthy NATS servers unchanged", async () => {
  const { one, all } = await record(() => {
    const { address } = new NatsAddress("nats-public", { site: testSite });
    const server = (label: string, zone: string) => ({ label, zone, selfLink: `instances/${label}` });
    return new NatsEntrance("nats-entrance", {
      site: testSite,
      address,
      servers: [server("nats-0", "us-central1-a"), server("nats-1", "us-central1-b")],
    });
  });
  const address = one("gcp:compute/address:Address");
  assert.equal(address.inputs.addressType, "EXTERNAL");
  const groups = all("gcp:compute/instanceGroup:InstanceGroup").map(({ inputs }) => [
    inputs.name,
    inputs.zone,
    inputs.instances,
  ]);
  assert.deepEqual(groups, [
    ["odin-test-nats-0", "us-central1-a", ["instances/nats-0"]],
    ["odin-test-nats-1", "us-central1-b", ["instances/nats-1"]],
  ]);
  const { inputs: service } = one("gcp:compute/regionBackendService:RegionBackendService");
  assert.equal(service.loadBalancingScheme, "EXTERNAL");
  assert.equal(service.protocol, "TCP");
  const backends = service.backends as { group: string; balancingMode: string }[];
  assert.deepEqual(
    backends.map(({ balancingMode }) => balancingMode),
    ["CONNECTION", "CONNECTION"],
  );
  assert.deepEqual(one("gcp:compute/regionHealthCheck:RegionHealthCheck").inputs.httpHealthCheck, {
    port: 8222,
    requestPath: "/healthz",
  });
  const { inputs: rule } = one("gcp:compute/forwardingRule:ForwardingRule");
  assert.deepEqual(rule.ports, ["4222"]);
  assert.equal(rule.loadBalancingScheme, "EXTERNAL");
});

test("each peering has a name of its own, at most 63 characters", async () => {
  const long = `projects/my-backend-project-name-xx/global/networks/${"n".repeat(60)}`;
  const { all } = await record(
    () =>
      new Peerings("peerings", {
        site: testSite,
        network: "network-id",
        peers: ["projects/my-backend/global/networks/default", long],
      }),
  );
  const [first, second] = all("gcp:compute/networkPeering:NetworkPeering");
  assert.deepEqual(first?.inputs, {
    name: "odin-test-my-backend-default",
    network: "network-id",
    peerNetwork: "https://www.googleapis.com/compute/v1/projects/my-backend/global/networks/default",
  });
  assert.equal(String(second?.inputs.name).length, 63);
});
