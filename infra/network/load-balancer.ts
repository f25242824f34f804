import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { PORTS } from "../ports.ts";
import { roleLabels, type Site } from "../site.ts";
import { connectionDrainingSeconds } from "./draining.ts";

/**
 * Health check with which both load balancers ask a gateway whether it accepts new connections. Two failures
 * take a gateway out of the rotation, at most 6 s after the gateway has disappeared. Its clients notice the
 * silence within 10 s, and then try again. A leaving gateway waits for a quarter of its drain before it sends
 * the first client away: by then no load balancer may send a client to this gateway again.
 */
export const READINESS = {
  checkIntervalSec: 2,
  timeoutSec: 2,
  healthyThreshold: 2,
  unhealthyThreshold: 2,
  httpHealthCheck: { port: PORTS.ops, requestPath: "/health" },
} as const;

/** Arguments of {@link LoadBalancer}. */
export interface LoadBalancerArgs {
  site: Site;
  /** URL of the gateways' instance group. */
  instanceGroup: pulumi.Input<string>;
  /** URL of the group of gateways that try a new template. Default: no such group. */
  canaryGroup?: pulumi.Input<string> | undefined;
  /** How long a gateway takes to send its clients away, in seconds. */
  drainSeconds: number;
}

/**
 * The entrance for `ws://`: a static address. Packets to its port 3004 reach the gateways unchanged, with the
 * client's address. A gateway that is not healthy keeps its connections and gets no new ones. The load
 * balancer forgets a connection that is silent for 60 s, a time that cannot be changed; the gateways' pings
 * prevent the silence.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** IPv4 address. */
  readonly address: pulumi.Output<string>;
  /** `projects/P/regions/R/backendServices/N`; the Compute API reports the gateways' health for it. */
  readonly backendService: pulumi.Output<string>;

  /** @param name the load balancer's role in logical names */
  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:LoadBalancer", name, {}, opts);
    const { site, instanceGroup, drainSeconds } = args;
    const common = { project: site.project, region: site.region };
    const labels = roleLabels(site, "load-balancer");
    const address = new gcp.compute.Address(
      `${name}-address`,
      {
        ...common,
        name: `${site.prefix}-ws`,
        description: "ws:// clients",
        addressType: "EXTERNAL",
        networkTier: "PREMIUM",
        labels,
      },
      { parent: this, protect: site.production },
    );
    const healthCheck = new gcp.compute.RegionHealthCheck(
      `${name}-health`,
      {
        ...common,
        name: `${site.prefix}-ws-health`,
        description: "whether a gateway wants new connections",
        ...READINESS,
      },
      { parent: this },
    );
    const service = new gcp.compute.RegionBackendService(
      `${name}-service`,
      {
        ...common,
        name: `${site.prefix}-ws`,
        description: "gateways for ws:// clients",
        loadBalancingScheme: "EXTERNAL",
        protocol: "TCP",
        healthChecks: healthCheck.id,
        sessionAffinity: "CLIENT_IP",
        connectionTrackingPolicy: {
          trackingMode: "PER_CONNECTION", // with PER_SESSION a failing health check would cut connections
          connectionPersistenceOnUnhealthyBackends: "DEFAULT_FOR_PROTOCOL", // TCP connections persist
          // External load balancers do not support idleTimeoutSec and enableStrongAffinity, although the
          // schema has them.
        },
        connectionDrainingTimeoutSec: connectionDrainingSeconds(drainSeconds),
        // CONNECTION is the only mode that a passthrough load balancer supports, and has no capacity.
        backends: [instanceGroup, ...(args.canaryGroup === undefined ? [] : [args.canaryGroup])].map(
          (group) => ({ group, balancingMode: "CONNECTION" }),
        ),
        // No log of flows, because the gateways count and log every connection themselves.
      },
      { parent: this },
    );
    new gcp.compute.ForwardingRule(
      `${name}-rule`,
      {
        ...common,
        name: `${site.prefix}-ws`,
        description: "ws:// clients",
        loadBalancingScheme: "EXTERNAL",
        networkTier: "PREMIUM",
        ipProtocol: "TCP",
        ipVersion: "IPV4",
        ipAddress: address.address,
        ports: [String(PORTS.clients)],
        backendService: service.id,
        labels,
      },
      { parent: this },
    );
    this.address = address.address;
    this.backendService = service.id;
    this.registerOutputs({ address: this.address, backendService: this.backendService });
  }
}
