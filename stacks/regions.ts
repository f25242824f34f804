/** The regions beside the home region: gateways of their own, behind an address of their own. */

import {
  after,
  GatewayFleet,
  LoadBalancer,
  type MonitoringVm,
  type Nats,
  type NatsMirror,
  RegionDrain,
  RegionNetwork,
  type RolloutGate,
  type Site,
} from "@odin-ws/infra";
import type * as pulumi from "@pulumi/pulumi";
import type { FurtherRegion } from "./config/further-regions.ts";
import type { Foundation } from "./foundation.ts";
import { behind, fleetArgs, type GatewayBoot } from "./gateways.ts";
import { DRAIN } from "./machines.ts";
import { createMirror } from "./nats.ts";
import { createGate } from "./rollout.ts";

/** A region's gateways and their entrance. */
export interface DeployedRegion {
  /** For example `europe-west1`. */
  region: string;
  /** Whether the region is being emptied, so that it can be removed. */
  drain: boolean;
  fleet: GatewayFleet;
  loadBalancer: LoadBalancer;
  /** The test of the region's gateways; undefined for a region without gateways, which is being emptied. */
  gate: RolloutGate | undefined;
}

/** What the gateways of a region stand on. */
export interface RegionBase {
  place: FurtherRegion;
  site: Site;
  subnet: pulumi.Output<string>;
  /** The region's NATS server; undefined with Synadia. */
  mirror: NatsMirror | undefined;
}

export interface RegionParts {
  boot: GatewayBoot;
  bases: readonly RegionBase[];
  nats: Nats;
  monitoringVm: MonitoringVm;
  /** The test of the home region's gateways. */
  gate: RolloutGate;
}

/**
 * Creates the further regions. An update changes a region only when the test of the region before it has
 * passed, so a bad update reaches one region: the home region first, where the canary is.
 */
export function createRegions(foundation: Foundation, parts: RegionParts): DeployedRegion[] {
  const deployed: DeployedRegion[] = [];
  let before = parts.gate;
  for (const base of parts.bases) {
    const made = createRegion(foundation, { ...parts, gate: before }, base);
    deployed.push(made);
    before = made.gate ?? before;
  }
  return deployed;
}

/** Creates the network and the NATS server of each further region. */
export function createBases(foundation: Foundation, nats: Nats): RegionBase[] {
  const { config, apis, network } = foundation;
  return config.furtherRegions.map((place) => {
    const { region, zones, networkRange, drain } = place;
    // What is about to be removed is not protected.
    const site = { ...place.site, production: place.site.production && !drain };
    const { subnetId: subnet } = new RegionNetwork(
      `network-${region}`,
      { site, network: network.id, cidr: networkRange },
      apis.first,
    );
    const mirror = createMirror(foundation, nats, { region, site, subnet, zone: zones[0] ?? "" });
    return { place, site, subnet, mirror };
  });
}

function createRegion(foundation: Foundation, parts: RegionParts, base: RegionBase): DeployedRegion {
  const { config, apis, connected } = foundation;
  const { boot, nats, monitoringVm, gate: before } = parts;
  const { place, site, subnet, mirror } = base;
  const { region, zones, minInstances, maxInstances, drain } = place;
  const limits = { minInstances, maxInstances };
  const args = fleetArgs(foundation, regionBoot(boot, mirror), nats, {
    ...{ site, subnet, zones, ...limits },
    // docs/decisions.md says why only the home region has a canary.
    canary: undefined,
  });
  const fleet = new GatewayFleet(
    `gateway-${region}`,
    {
      ...args,
      drain,
      declaresMetric: false,
      ...(drain ? { rolloutCheck: undefined } : {}),
      // The group waits. The template does not: it must not depend on the NATS servers, which the gate needs.
      after: [...(args.after ?? []), ...(mirror ? [mirror] : []), before],
    },
    connected,
  );
  const loadBalancer = new LoadBalancer(`load-balancer-${region}`, behind(config, fleet, site), apis.first);
  const gate = drain
    ? undefined
    : createGate(
        foundation,
        { nats, monitoringVm, fleet, loadBalancer, wss: undefined },
        `rollout-${region}`,
      );
  new RegionDrain(
    `drain-${region}`,
    { command: DRAIN, group: fleet.groupId, autoscaler: fleet.autoscalerId, drain },
    after(fleet, loadBalancer, ...(mirror ? [mirror] : [])),
  );
  return { region, drain, fleet, loadBalancer, gate };
}

/** The gateways of the region read the mirror on their own region's NATS server. */
function regionBoot(boot: GatewayBoot, mirror: NatsMirror | undefined): GatewayBoot {
  if (mirror === undefined) return boot;
  const { environment, secrets, files } = mirror.connection;
  return {
    ...boot,
    environment: { ...boot.environment, ...environment },
    secrets: { ...boot.secrets, ...secrets },
    files: { ...boot.files, ...files },
  };
}
