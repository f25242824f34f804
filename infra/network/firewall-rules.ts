import type * as pulumi from "@pulumi/pulumi";
import { PORTS, RANGES } from "../ports.ts";

/** Incoming TCP traffic that is allowed. */
export interface FirewallRule {
  /** Unique in the network. The name in the cloud is the site's prefix and this name. */
  name: string;
  /** The reason for the rule; it becomes the rule's description in the cloud. */
  why: string;
  /** At least one port. */
  ports: number[];
  /** Sources as IPv4 ranges. Excludes `fromAccounts`. */
  fromRanges?: string[] | undefined;
  /**
   * Sources as e-mails of service accounts, at most 10. Applies only to traffic from internal addresses.
   * Excludes `fromRanges`.
   */
  fromAccounts?: pulumi.Input<string>[] | undefined;
  /** Targets as e-mails of the VMs' service accounts, 1 to 10. */
  to: pulumi.Input<string>[];
}

/** E-mails of the service accounts of a service stack. */
export interface ServiceRoles {
  gateway: pulumi.Input<string>;
  monitoring: pulumi.Input<string>;
  /** Set when NATS is self-hosted. */
  nats?: pulumi.Input<string> | undefined;
  /** Set when a publisher runs in the network. Needs `nats`. */
  publisher?: pulumi.Input<string> | undefined;
}

/** Which servers of other regions exist. */
export interface ServiceRegions {
  /** Whether NATS servers of other regions join those of the home region. */
  joined: boolean;
}

/** Ranges of publishers that are not VMs of this network. */
export interface PublisherRanges {
  /** Internal ranges: of peered networks, or of Cloud Run in this network. */
  internal: string[];
  /** Public ranges, from which publishers reach NATS through its public address. */
  outside: string[];
}

/** E-mails of the service accounts of a capacity test. */
export interface CapacityRoles {
  gateway: pulumi.Input<string>;
  backend: pulumi.Input<string>;
  runner: pulumi.Input<string>;
}

/**
 * Traffic that may enter the network of a service.
 * @throws Error when two roles share an account, or when there is a publisher without `nats`
 */
export function serviceRules(
  roles: ServiceRoles,
  publishers: PublisherRanges = { internal: [], outside: [] },
  { joined }: ServiceRegions = { joined: false },
): FirewallRule[] {
  const { gateway, nats, monitoring, publisher } = roles;
  assertDistinct(roles);
  if (publisher && !nats) {
    throw new Error(
      "A publisher without nats: it publishes to a NATS server outside of this network, which needs no firewall rule here. Leave publisher out.",
    );
  }
  return [
    {
      name: "clients",
      why: "Browsers connect to the gateways; the load balancer keeps the browsers' addresses, so any source is allowed.",
      ports: [PORTS.clients],
      fromRanges: [RANGES.everyone],
      to: [gateway],
    },
    {
      name: "probes",
      why: "Health checks of the load balancers and of autohealing ask the gateways.",
      ports: [PORTS.ops],
      fromRanges: [...new Set([...RANGES.passthroughProbes, ...RANGES.proxies])],
      to: [gateway],
    },
    {
      name: "metrics",
      why: "Prometheus reads the metrics of the gateways and of their machines.",
      ports: [PORTS.ops, PORTS.machine],
      fromAccounts: [monitoring],
      to: [gateway],
    },
    {
      name: "logs",
      why: "Log shippers send to Loki.",
      ports: [PORTS.loki],
      fromAccounts: present(gateway, nats),
      to: [monitoring],
    },
    ...(nats
      ? [
          ...natsRules({ nats, gateway, monitoring, publisher }),
          ...(joined ? [leafRule(nats)] : []),
          ...publisherRules(nats, publishers),
        ]
      : []),
    peopleShell(present(gateway, monitoring, nats, publisher)),
    {
      name: "people-monitoring",
      why: "People open Grafana, Prometheus, Loki and Alertmanager through Identity-Aware Proxy.",
      ports: [PORTS.grafana, PORTS.prometheus, PORTS.loki, PORTS.alertmanager],
      fromRanges: [RANGES.iap],
      to: [monitoring],
    },
  ];
}

function natsRules(roles: ServiceRoles & { nats: pulumi.Input<string> }): FirewallRule[] {
  const { gateway, nats, monitoring, publisher } = roles;
  return [
    {
      name: "nats-clients",
      why: "Gateways read the stream, publishers write to it, and monitoring checks that NATS answers.",
      ports: [PORTS.nats],
      fromAccounts: present(gateway, publisher, monitoring),
      to: [nats],
    },
    {
      name: "nats-monitoring",
      why: "Prometheus reads the state of NATS and of its machines.",
      ports: [PORTS.natsMonitoring, PORTS.machine],
      fromAccounts: [monitoring],
      to: [nats],
    },
    {
      name: "nats-cluster",
      why: "NATS servers form a cluster, and each checks the health of the others before it restarts.",
      ports: [PORTS.natsCluster, PORTS.natsMonitoring],
      fromAccounts: [nats],
      to: [nats],
    },
  ];
}

function leafRule(nats: pulumi.Input<string>): FirewallRule {
  return {
    name: "nats-leaf",
    why: "NATS servers of other regions join the servers of the home region, to mirror the stream.",
    ports: [PORTS.natsLeaf],
    fromAccounts: [nats],
    to: [nats],
  };
}

/** Rules by address: an account as a source counts only for VMs of the same network. */
function publisherRules(nats: pulumi.Input<string>, { internal, outside }: PublisherRanges): FirewallRule[] {
  return [
    ...(internal.length === 0
      ? []
      : [
          {
            name: "nats-publishers",
            why: "Publishers in peered networks, in GKE or in Cloud Run write to the stream.",
            ports: [PORTS.nats],
            fromRanges: internal,
            to: [nats],
          },
        ]),
    ...(outside.length === 0
      ? []
      : [
          {
            name: "nats-outside",
            why: "Publishers outside of Google Cloud write to the stream; the load balancer keeps their addresses.",
            ports: [PORTS.nats],
            fromRanges: outside,
            to: [nats],
          },
          {
            name: "nats-probes",
            why: "The load balancer in front of NATS asks which servers take messages.",
            ports: [PORTS.natsMonitoring],
            fromRanges: [...RANGES.passthroughProbes],
            to: [nats],
          },
        ]),
  ];
}

/**
 * Traffic that may enter the network of a capacity test. From outside only people may enter.
 * @throws Error when two roles share an account
 */
export function capacityRules(roles: CapacityRoles): FirewallRule[] {
  const { gateway, backend, runner } = roles;
  assertDistinct(roles);
  return [
    {
      name: "load",
      why: "The runner's clients connect to the gateway, and its report reads the gateway's metrics.",
      ports: [PORTS.clients, PORTS.ops],
      fromAccounts: [runner],
      to: [gateway],
    },
    {
      name: "publishing",
      why: "The runner controls the publisher, or publishes its own messages to NATS and checks that each one arrives.",
      ports: [PORTS.publisher, PORTS.nats],
      fromAccounts: [runner],
      to: [backend],
    },
    {
      name: "stream-and-logs",
      why: "The gateway reads the stream from NATS and its log shipper sends to Loki.",
      ports: [PORTS.nats, PORTS.loki],
      fromAccounts: [gateway],
      to: [backend],
    },
    {
      name: "metrics",
      why: "Prometheus reads the metrics of the gateway and of its machine.",
      ports: [PORTS.ops, PORTS.machine],
      fromAccounts: [backend],
      to: [gateway],
    },
    peopleShell([gateway, backend, runner]),
    {
      name: "people-monitoring",
      why: "People open Grafana and Prometheus through Identity-Aware Proxy.",
      ports: [PORTS.grafana, PORTS.prometheus],
      fromRanges: [RANGES.iap],
      to: [backend],
    },
  ];
}

function peopleShell(to: pulumi.Input<string>[]): FirewallRule {
  return {
    name: "people-ssh",
    why: "People reach the machines through Identity-Aware Proxy and OS Login.",
    ports: [PORTS.ssh],
    fromRanges: [RANGES.iap],
    to,
  };
}

function present<Value>(...values: (Value | undefined)[]): Value[] {
  return values.filter((value) => value !== undefined);
}

/**
 * Firewall rules select VMs by account: with a shared account, each of two roles would get the other's
 * traffic too.
 */
function assertDistinct(roles: object): void {
  const seen = new Map<unknown, string>();
  for (const [role, account] of Object.entries(roles)) {
    if (account === undefined) continue;
    const other = seen.get(account);
    if (other) throw new Error(`Roles ${other} and ${role} share a service account: give each its own.`);
    seen.set(account, role);
  }
}
