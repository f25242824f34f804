import {
  IMAGES,
  lokiUrlByName,
  Nats,
  NatsAddress,
  NatsEntrance,
  NatsMirror,
  type Site,
} from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import type { Foundation } from "./foundation.ts";
import { MACHINES, STARTUP_CHECK } from "./machines.ts";
import { monitoringZone } from "./monitoring/zone.ts";

/**
 * Creates the NATS servers and, where publishers come from outside, their public address and its load
 * balancer.
 */
export function createNats(foundation: Foundation): { nats: Nats; address: NatsAddress | undefined } {
  const { config, apis } = foundation;
  const { site } = config;
  const address =
    config.natsPublicRanges.length === 0 ? undefined : new NatsAddress("nats-public", { site }, apis.first);
  const nats = createServers(foundation, address);
  if (address !== undefined)
    new NatsEntrance("nats-entrance", { site, address: address.address, servers: nats.servers }, apis.first);
  return { nats, address };
}

function createServers(foundation: Foundation, publicAddress: NatsAddress | undefined): Nats {
  const { config, gatewayIdentity, natsIdentity, publisherIdentity, network, registry, connected } =
    foundation;
  const named = Object.keys(config.publishers).length > 0;
  const { site, zones, cosImage } = config;
  return new Nats(
    "nats",
    natsIdentity
      ? {
          mode: config.nats === "cluster" ? "cluster" : "single",
          site,
          gateway: gatewayIdentity.member,
          zones,
          subnet: network.subnetId,
          account: natsIdentity,
          image: registry.mirror(IMAGES.nats),
          machineType: MACHINES.nats.type,
          cosImage,
          diskGb: MACHINES.nats.dataGib,
          snapshots: site.production,
          logs: {
            image: registry.mirror(IMAGES.alloy),
            lokiUrl: lokiUrlByName(site, monitoringZone(config), "monitoring"),
          },
          startupCheck: STARTUP_CHECK,
          publishers:
            named && publisherIdentity
              ? { named: config.publishers, reader: publisherIdentity.member }
              : undefined,
          publicAddress: publicAddress?.address,
          joinable: config.furtherRegions.length > 0,
        }
      : {
          mode: "synadia",
          site,
          gateway: gatewayIdentity.member,
          url: config.natsUrl,
          credentials: pulumi.secret(config.natsCredentials ?? ""),
        },
    connected,
  );
}

/** Where the NATS server of a region is. */
export interface MirrorPlace {
  region: string;
  site: Site;
  subnet: pulumi.Input<string>;
  zone: string;
}

/** Creates the NATS server of a region beside the home region; undefined with Synadia. */
export function createMirror(
  { config, gatewayIdentity, natsIdentity, registry, connected }: Foundation,
  nats: Nats,
  { region, ...place }: MirrorPlace,
): NatsMirror | undefined {
  const { home } = nats;
  if (home === undefined || natsIdentity === undefined) return undefined;
  return new NatsMirror(
    `nats-${region}`,
    {
      ...place,
      homeSite: config.site,
      home,
      gateway: gatewayIdentity.member,
      account: natsIdentity,
      image: registry.mirror(IMAGES.nats),
      machineType: MACHINES.nats.type,
      cosImage: config.cosImage,
      diskGb: MACHINES.nats.dataGib,
      logs: {
        image: registry.mirror(IMAGES.alloy),
        lokiUrl: lokiUrlByName(config.site, config.zones[0] ?? "", "monitoring"),
      },
      startupCheck: STARTUP_CHECK,
    },
    // Does not wait for the servers of the home region: it joins them as soon as they are there.
    connected,
  );
}
