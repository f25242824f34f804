import {
  APIS,
  Firewall,
  GATEWAY_ROLES,
  Identity,
  MONITORING_ROLES,
  machinesAfter,
  Network,
  Peerings,
  Registry,
  Services,
  serviceRules,
} from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";

/** What every part of a service is built on. */
export interface Foundation extends Identities {
  config: StackConfig;
  apis: Services;
  network: Network;
  registry: Registry;
  /**
   * Options for machines, which look for each other as soon as they start and so need the firewall rules
   * first.
   */
  connected: pulumi.ComponentResourceOptions;
}

/**
 * Creates what does not depend on any machine: APIs, identities, the network with its rules, and the
 * registry.
 */
export function createFoundation(config: StackConfig): Foundation {
  const { site, domain } = config;
  const apis = new Services("apis", {
    site,
    apis: [...APIS.service, ...(domain === undefined ? [] : APIS.domain)],
  });
  const identities = createIdentities(config, apis);
  const { gatewayIdentity, monitoringIdentity, natsIdentity, publisherIdentity } = identities;
  const network = new Network("network", { site, cidr: config.networkRange }, apis.first);
  const firewall = new Firewall(
    "firewall",
    {
      site,
      network: network.id,
      rules: serviceRules(
        {
          gateway: gatewayIdentity.email,
          monitoring: monitoringIdentity.email,
          nats: natsIdentity?.email,
          publisher: publisherIdentity?.email,
        },
        { internal: config.publisherRanges, outside: config.natsPublicRanges },
        { joined: config.furtherRegions.length > 0 },
      ),
    },
    apis.first,
  );
  if (config.publisherNetworks.length > 0)
    new Peerings("peerings", { site, network: network.id, peers: config.publisherNetworks }, apis.first);
  const registry = new Registry(
    "images",
    {
      site,
      readers: { gateway: gatewayIdentity.member },
      mirrorReaders: {
        gateway: gatewayIdentity.member,
        monitoring: monitoringIdentity.member,
        ...(natsIdentity ? { nats: natsIdentity.member } : {}),
      },
    },
    apis.first,
  );
  return {
    config,
    apis,
    ...identities,
    network,
    registry,
    connected: pulumi.mergeOptions(apis.first, machinesAfter(firewall)),
  };
}

/** Service accounts of the machines. */
interface Identities {
  gatewayIdentity: Identity;
  monitoringIdentity: Identity;
  /** Undefined with NATS elsewhere. */
  natsIdentity: Identity | undefined;
  /** Undefined with NATS elsewhere. */
  publisherIdentity: Identity | undefined;
}

function createIdentities({ site, nats }: StackConfig, { first }: Services): Identities {
  const create = (name: string, description: string, roles: string[] = []) =>
    new Identity(name, { site, description, roles }, first);
  const isSelfHosted = nats !== "synadia";
  return {
    gatewayIdentity: create("gateway", "Gateways", GATEWAY_ROLES),
    monitoringIdentity: create("monitoring", "Monitoring VM", MONITORING_ROLES),
    natsIdentity: isSelfHosted ? create("nats", "NATS VMs", ["roles/logging.logWriter"]) : undefined,
    publisherIdentity: isSelfHosted
      ? create("publisher", "VMs of the backend that publish to NATS")
      : undefined,
  };
}
