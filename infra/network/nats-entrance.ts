import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { PORTS } from "../ports.ts";
import { roleLabels, type Site } from "../site.ts";

/**
 * The public address of NATS. It is a component apart from the entrance: the certificates of the servers
 * contain the address, so it must exist before the servers, while the entrance needs the servers.
 */
export class NatsAddress extends pulumi.ComponentResource {
  /** IPv4 address. */
  readonly address: pulumi.Output<string>;

  constructor(name: string, { site }: { site: Site }, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:NatsAddress", name, {}, opts);
    const { address } = new gcp.compute.Address(
      name,
      {
        project: site.project,
        region: site.region,
        name: `${site.prefix}-nats-public`,
        description: "publishers outside of Google Cloud",
        addressType: "EXTERNAL",
        networkTier: "PREMIUM",
        labels: roleLabels(site, "nats-entrance"),
      },
      { parent: this, protect: site.production },
    );
    this.address = address;
    this.registerOutputs({ address });
  }
}

/** Arguments of {@link NatsEntrance}. */
export interface NatsEntranceArgs {
  site: Site;
  /** Address of a {@link NatsAddress}. */
  address: pulumi.Input<string>;
  /** VMs of the NATS servers. */
  servers: { label: string; selfLink: pulumi.Input<string>; zone: string }[];
}

/**
 * The way to NATS for publishers outside of Google Cloud: a load balancer that passes packets through, so TLS
 * ends at the NATS servers, and a server sees the publisher's address. A proxy with Google's own TLS is not
 * possible, because NATS speaks before the handshake. Firewall rules decide who may come in.
 */
export class NatsEntrance extends pulumi.ComponentResource {
  constructor(name: string, args: NatsEntranceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:NatsEntrance", name, {}, opts);
    const { site, address, servers } = args;
    const common = { project: site.project, region: site.region };
    const healthCheck = new gcp.compute.RegionHealthCheck(
      `${name}-health`,
      {
        ...common,
        name: `${site.prefix}-nats-health`,
        description: "whether a NATS server takes messages",
        checkIntervalSec: 5,
        timeoutSec: 5,
        healthyThreshold: 2,
        unhealthyThreshold: 2,
        httpHealthCheck: { port: PORTS.natsMonitoring, requestPath: "/healthz" },
      },
      { parent: this },
    );
    const groups = servers.map(
      ({ label, selfLink, zone }) =>
        new gcp.compute.InstanceGroup(
          `${name}-${label}`,
          {
            project: site.project,
            zone,
            name: `${site.prefix}-${label}`,
            description: "a NATS server, for publishers outside",
            instances: [selfLink],
          },
          { parent: this },
        ).selfLink,
    );
    const service = new gcp.compute.RegionBackendService(
      `${name}-service`,
      {
        ...common,
        name: `${site.prefix}-nats`,
        description: "NATS servers for publishers outside",
        loadBalancingScheme: "EXTERNAL",
        protocol: "TCP",
        healthChecks: healthCheck.id,
        sessionAffinity: "NONE",
        backends: groups.map((group) => ({ group, balancingMode: "CONNECTION" })),
      },
      { parent: this },
    );
    new gcp.compute.ForwardingRule(
      `${name}-rule`,
      {
        ...common,
        name: `${site.prefix}-nats`,
        description: "publishers outside of Google Cloud",
        loadBalancingScheme: "EXTERNAL",
        networkTier: "PREMIUM",
        ipProtocol: "TCP",
        ipVersion: "IPV4",
        ipAddress: address,
        ports: [String(PORTS.nats)],
        backendService: service.id,
        labels: roleLabels(site, "nats-entrance"),
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
