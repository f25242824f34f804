/** The regions beside the home region: gateways of their own, behind an address of their own. */

import {
  after,
  GatewayFleet,
  LoadBalancer,
  type MonitoringVm,
  type Nats,
  RegionDrain,
  RegionNetwork,
  type RolloutGate,
} from "@odin-ws/infra";
import type { FurtherRegion } from "./config/regions.ts";
import type { Foundation } from "./foundation.ts";
import { behind, fleetArgs, type GatewayBoot } from "./gateways.ts";
import { DRAIN } from "./machines.ts";
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

export interface RegionParts {
  boot: GatewayBoot;
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
  for (const region of foundation.config.furtherRegions) {
    const made = createRegion(foundation, { ...parts, gate: before }, region);
    deployed.push(made);
    before = made.gate ?? before;
  }
  return deployed;
}

function createRegion(foundation: Foundation, parts: RegionParts, place: FurtherRegion): DeployedRegion {
  const { config, apis, network, connected } = foundation;
  const { boot, nats, monitoringVm, gate: before } = parts;
  const { region, zones, minInstances, maxInstances, networkRange, drain } = place;
  // What is about to be removed is not protected.
  const site = { ...place.site, production: place.site.production && !drain };
  const { subnetId } = new RegionNetwork(
    `network-${region}`,
    { site, network: network.id, cidr: networkRange },
    apis.first,
  );
  const limits = { minInstances, maxInstances };
  const args = fleetArgs(foundation, boot, nats, {
    ...{ site, subnet: subnetId, zones, ...limits },
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
      after: [...(args.after ?? []), before],
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
    after(fleet, loadBalancer),
  );
  return { region, drain, fleet, loadBalancer, gate };
}
