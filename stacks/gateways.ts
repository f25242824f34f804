/** The gateways of one region. */

import {
  type CanaryArgs,
  GatewayFleet,
  type GatewayFleetArgs,
  type LoadBalancerArgs,
  type MonitoringVm,
  type Nats,
  Secret,
  type Site,
  type WssAddress,
} from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import type { Foundation } from "./foundation.ts";
import { drainSeconds, gatewayEnvironment, trustedProxies } from "./gateway-settings.ts";
import { mirroredImages } from "./images.ts";
import { ROLLOUT_CHECK } from "./machines.ts";
import { canaryArgs } from "./rollout.ts";

/** What a gateway starts with: images, settings and secrets. */
export type GatewayBoot = GatewayFleetArgs["boot"];

export interface BootParts {
  /** The gateway's image by digest. */
  image: pulumi.Output<string>;
  nats: Nats;
  monitoringVm: MonitoringVm;
  wssAddress: WssAddress | undefined;
}

/** Creates the secrets of the gateways. Gateways of all regions start with the same values. */
export function gatewayBoot(foundation: Foundation, parts: BootParts): GatewayBoot {
  const { config, apis, gatewayIdentity, registry } = foundation;
  const { image, nats, monitoringVm, wssAddress } = parts;
  const { site, jwtSecret, jwtSecretPrevious } = config;
  const tokenSecret = (name: string, variable: string, value: string | undefined, isRenewable = false) =>
    value === undefined
      ? {}
      : {
          [`env-${variable}`]: new Secret(
            name,
            {
              site,
              value: pulumi.secret(value),
              accessors: { gateway: gatewayIdentity.member },
              isRenewable,
            },
            apis.first,
          ).version,
        };
  return {
    images: { gateway: image, ...mirroredImages(registry, ["alloy"]) },
    environment: {
      ...gatewayEnvironment(config),
      ...(wssAddress ? { WS_TRUSTED_PROXIES: trustedProxies(wssAddress.address) } : {}),
      ...nats.connection.environment,
    },
    secrets: {
      ...nats.connection.secrets,
      ...tokenSecret("jwt-secret", "JWT_SECRET", jwtSecret),
      // The runbook removes this key again, so its secret must not be protected.
      ...tokenSecret("jwt-secret-previous", "JWT_SECRET_PREVIOUS", jwtSecretPrevious, true),
    },
    files: nats.connection.files,
    settings: { "loki-url": monitoringVm.lokiUrl, "config-bucket": monitoringVm.bucket },
  };
}

/** Where the gateways of one region run, and how many. */
export interface Place {
  site: Site;
  subnet: pulumi.Input<string>;
  zones: string[];
  minInstances: number;
  maxInstances: number;
  canary: CanaryArgs | undefined;
}

/** The arguments of a fleet that are the same in all regions, and those of one region. */
export function fleetArgs(
  { config, gatewayIdentity }: Foundation,
  boot: GatewayBoot,
  nats: Nats,
  place: Place,
): GatewayFleetArgs {
  return {
    ...place,
    machineType: config.machineType,
    cosImage: config.cosImage,
    account: gatewayIdentity.email,
    boot,
    cpuTarget: config.cpuTarget / 100,
    connectionsTarget: config.connectionsTarget,
    scaleInMinutes: config.scaleInMinutes,
    drainSeconds: drainSeconds(gatewayEnvironment(config)),
    spot: config.spot,
    rolloutCheck: ROLLOUT_CHECK,
    after: [nats], // a gateway that starts while NATS is away accepts no client
  };
}

export interface FleetParts {
  boot: GatewayBoot;
  nats: Nats;
  monitoringVm: MonitoringVm;
}

/** The gateways of the home region. */
export function createFleet(foundation: Foundation, { boot, nats, monitoringVm }: FleetParts): GatewayFleet {
  const { config, network, connected } = foundation;
  const { site, zones, minInstances, maxInstances } = config;
  const canary = canaryArgs(config, monitoringVm);
  const place = { site, subnet: network.subnetId, zones, minInstances, maxInstances, canary };
  return new GatewayFleet("gateway", fleetArgs(foundation, boot, nats, place), connected);
}

/** The arguments of an entrance in front of a fleet. */
export function behind(
  config: StackConfig,
  { instanceGroup, canaryGroup }: GatewayFleet,
  site = config.site,
): LoadBalancerArgs {
  return { site, instanceGroup, canaryGroup, drainSeconds: drainSeconds(gatewayEnvironment(config)) };
}
