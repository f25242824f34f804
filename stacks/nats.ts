import { IMAGES, lokiUrlByName, Nats, NatsAddress, NatsEntrance } from "@odin-ws/infra";
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
