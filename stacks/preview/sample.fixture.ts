/** A small service of plain resources, for tests of functions that read a resource graph. */

import { RANGES, record } from "@odin-ws/infra";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Graph, graphOf } from "./graph.ts";

/** Parts that tests vary. */
export interface SampleArgs {
  machineType?: string;
  spot?: boolean;
  min?: number;
  max?: number;
  region?: string;
  natsUrl?: string;
}

const project = "sample-project";

/**
 * Network with NAT, gateways behind a load balancer, NATS with a data disk, a secret, a registry, a bucket, a
 * watchdog.
 */
export function sampleProgram(args: SampleArgs = {}): void {
  const { machineType = "e2-standard-2", spot = false, min = 2, max = 5, region = "us-central1" } = args;
  const zone = `${region}-a`;
  const net = new pulumi.ComponentResource("odin-ws:index:Network", "network");
  const inNet = { parent: net };
  const network = new gcp.compute.Network("network", { project, name: "odin-sample" }, inNet);
  const subnet = new gcp.compute.Subnetwork(
    "network-subnet",
    { project, region, network: network.id, ipCidrRange: "10.10.0.0/20" },
    inNet,
  );
  const router = new gcp.compute.Router("network-router", { project, region, network: network.id }, inNet);
  new gcp.compute.RouterNat("network-nat", {
    ...{ project, region, router: router.name, natIpAllocateOption: "AUTO_ONLY" },
    sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_IP_RANGES",
  });
  const gateway = new gcp.serviceaccount.Account("gateway", { project, accountId: "odin-sample-gateway" });
  const nats = new gcp.serviceaccount.Account("nats", { project, accountId: "odin-sample-nats" });

  const template = new gcp.compute.InstanceTemplate("gateways-template", {
    ...{ project, region, machineType },
    disks: [{ boot: true, diskType: "pd-balanced", diskSizeGb: 20 }],
    networkInterfaces: [{ subnetwork: subnet.id }],
    serviceAccount: { email: gateway.email, scopes: ["cloud-platform"] },
    scheduling: { provisioningModel: spot ? "SPOT" : "STANDARD" },
    metadata: { "odin-role": "gateway", ...(args.natsUrl ? { "odin-env-NATS_URL": args.natsUrl } : {}) },
  });
  const group = new gcp.compute.RegionInstanceGroupManager("gateways-group", {
    ...{ project, region, baseInstanceName: "gateway", distributionPolicyZones: [zone, `${region}-b`] },
    versions: [{ instanceTemplate: template.selfLinkUnique }],
    namedPorts: [{ name: "ws", port: 3004 }],
  });
  new gcp.compute.RegionAutoscaler("gateways-autoscaler", {
    ...{ project, region, target: group.id },
    autoscalingPolicy: {
      ...{ minReplicas: min, maxReplicas: max, cooldownPeriod: 120, stabilizationPeriod: 600 },
      cpuUtilization: { target: 0.6 },
      metrics: [{ name: "custom.googleapis.com/odin_ws/connections", target: 8000, type: "GAUGE" }],
      scaleInControl: { maxScaledInReplicas: { fixed: 1 }, timeWindowSec: 600 },
    },
  });
  const address = new gcp.compute.Address(
    "balancer-address",
    { project, region, addressType: "EXTERNAL" },
    { protect: true },
  );
  const service = new gcp.compute.RegionBackendService("balancer-service", {
    ...{ project, region, sessionAffinity: "CLIENT_IP", connectionDrainingTimeoutSec: 90 },
    backends: [{ group: group.instanceGroup, balancingMode: "CONNECTION" }],
  });
  new gcp.compute.ForwardingRule("balancer-rule", {
    ...{ project, region, ipProtocol: "TCP", ports: ["3004"] },
    ...{ ipAddress: address.address, backendService: service.id },
  });

  const disk = new gcp.compute.Disk("nats-data", { project, zone, size: 20, type: "pd-balanced" });
  const instance = new gcp.compute.Instance("nats", {
    ...{ project, zone, machineType: "e2-small" },
    bootDisk: { initializeParams: { type: "pd-balanced", size: 10 } },
    attachedDisks: [{ source: disk.selfLink }],
    networkInterfaces: [{ subnetwork: subnet.id }],
    serviceAccount: { email: nats.email, scopes: ["cloud-platform"] },
    metadata: { "odin-role": "nats" },
  });
  const allow = (
    name: string,
    ports: string[],
    from: { sourceRanges?: string[]; sourceServiceAccounts?: pulumi.Input<string>[] },
    to: pulumi.Input<string>,
  ) =>
    new gcp.compute.Firewall(name, {
      ...{ project, network: network.id, direction: "INGRESS", allows: [{ protocol: "tcp", ports }] },
      ...from,
      targetServiceAccounts: [to],
    });
  allow("allow-clients", ["3004"], { sourceRanges: [RANGES.everyone] }, gateway.email);
  allow("allow-probes", ["3002"], { sourceRanges: [...RANGES.proxies] }, gateway.email);
  allow("allow-people", ["22"], { sourceRanges: [RANGES.iap] }, nats.email);
  allow("allow-nats", ["4222"], { sourceServiceAccounts: [gateway.email] }, nats.email);

  const secret = new gcp.secretmanager.Secret("jwt", {
    project,
    secretId: "odin-sample-jwt",
    replication: { auto: {} },
  });
  new gcp.secretmanager.SecretVersion("jwt-version", {
    secret: secret.id,
    secretData: pulumi.secret("the-secret-itself"),
  });
  new gcp.secretmanager.SecretIamMember("jwt-reader", {
    project,
    secretId: secret.id,
    role: "roles/secretmanager.secretAccessor",
    member: gateway.member,
  });
  new gcp.artifactregistry.Repository("images", {
    project,
    location: region,
    repositoryId: "odin-sample",
    format: "DOCKER",
  });
  new gcp.monitoring.UptimeCheckConfig("reachable", {
    project,
    displayName: "reachable",
    timeout: "10s",
    period: "60s",
    tcpCheck: { port: 3004 },
  });
  void instance;
}

/** The graph of the sample. */
export async function sampleGraph(args: SampleArgs = {}): Promise<Graph> {
  const { resources } = await record(() => sampleProgram(args), { stack: "sample" });
  return graphOf(resources.toSorted((a, b) => (a.urn < b.urn ? -1 : 1)));
}
