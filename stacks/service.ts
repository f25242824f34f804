import {
  ALERTS_METRIC,
  after,
  Budget,
  GatewayFleet,
  HEARTBEAT_METRIC,
  LoadBalancer,
  MonitoringVm,
  type Nats,
  PORTS,
  type RolloutGate,
  Secret,
  Watchdog,
  WssAddress,
  WssEntrance,
} from "@odin-ws/infra";
import { monitoringFiles } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import { createFoundation, type Foundation } from "./foundation.ts";
import { drainSeconds, gatewayEnvironment, trustedProxies } from "./gateway-settings.ts";
import { gatewayImage, mirroredImages } from "./images.ts";
import type { KeptImage } from "./kept-image.ts";
import { MACHINES, ROLLOUT_CHECK, STARTUP_CHECK } from "./machines.ts";
import { alertSecrets } from "./monitoring/alert-receivers.ts";
import { monitoringOptions, natsNames } from "./monitoring/options.ts";
import { createNats } from "./nats.ts";
import { canaryArgs, createGate, proven } from "./rollout.ts";

/**
 * New connections a minute from one address through the TLS entrance: a whole office may share an address.
 */
const CONNECTS_PER_MINUTE = 600;

/**
 * Staging and prod: gateways behind their entrances, NATS, monitoring, a test of each rollout, and a
 * watchdog.
 *
 * @param kept the image that the gateways run; undefined when they run none, or when `serverImage` is set
 */
export function service(config: StackConfig, kept?: KeptImage): Record<string, unknown> {
  const foundation = createFoundation(config);
  const image = gatewayImage(config, foundation.registry, foundation.apis.first, kept);
  const { nats, address: natsAddress } = createNats(foundation);
  const monitoringVm = createMonitoringVm(foundation, nats);
  // The gateways must know the address of the TLS entrance. The rest of the entrance is created after the
  // gateways.
  const wssAddress =
    config.domain === undefined
      ? undefined
      : new WssAddress("wss-address", { site: config.site }, foundation.apis.first);
  const fleet = createFleet(foundation, { image, nats, monitoringVm, wssAddress });
  const entrances = createEntrances(foundation, fleet, wssAddress);
  const gate = createGate(foundation, { nats, monitoringVm, fleet, entrances });
  createWatchdog(foundation, { monitoringVm, fleet, entrances, gate });

  const { site, zones, domain } = config;
  const { publisherIdentity } = foundation;
  return {
    url: entrances.url,
    ...(entrances.wss ? { secureUrl: `wss://${domain}/ws`, dnsRecords: entrances.wss.dnsRecords } : {}),
    image: proven(image, gate),
    instanceGroup: fleet.instanceGroup,
    monitoringVm: monitoringVm.instance,
    grafana: pulumi.interpolate`gcloud compute ssh ${monitoringVm.instance} --project ${site.project} --zone ${zones[0]} --tunnel-through-iap -- -L ${PORTS.grafana}:localhost:${PORTS.grafana}`,
    ...(publisherIdentity
      ? { natsUrl: nats.publisherUrl, natsCa: nats.ca, publisherAccount: publisherIdentity.email }
      : {}),
    ...(natsAddress ? { natsPublicAddress: natsAddress.address } : {}),
    ...(nats.publishers
      ? { publishers: nats.publishers.secrets, natsCaSecret: nats.publishers.caSecret }
      : {}),
  };
}

function createMonitoringVm(foundation: Foundation, nats: Nats): MonitoringVm {
  const { config, apis, gatewayIdentity, monitoringIdentity, natsIdentity, network, registry, connected } =
    foundation;
  const { site, zones, cosImage } = config;
  const names = natsNames(config);
  return new MonitoringVm(
    "monitoring",
    {
      site,
      zone: zones[0] ?? "",
      subnet: network.subnetId,
      account: monitoringIdentity,
      machineType: MACHINES.monitoring.type,
      cosImage,
      images: mirroredImages(registry, [
        "prometheus",
        "alertmanager",
        "loki",
        "grafana",
        "alloy",
        ...(natsIdentity ? (["nats-exporter"] as const) : []),
      ]),
      files: monitoringFiles(monitoringOptions(config)),
      readers: { gateway: gatewayIdentity.member, ...(natsIdentity ? { nats: natsIdentity.member } : {}) },
      secrets: alertSecrets(config, monitoringIdentity.member, apis.first),
      natsCa: natsIdentity ? nats.ca : undefined,
      natsServers: nats.monitoring.map((address, index) => ({ name: names[index] ?? "", address })),
      diskGb: MACHINES.monitoring.dataGib,
      snapshots: site.production,
      startupCheck: STARTUP_CHECK,
    },
    connected,
  );
}

interface FleetParts {
  /** The gateway's image by digest. */
  image: pulumi.Output<string>;
  nats: Nats;
  monitoringVm: MonitoringVm;
  wssAddress: WssAddress | undefined;
}

function createFleet(foundation: Foundation, parts: FleetParts): GatewayFleet {
  const { config, apis, gatewayIdentity, network, registry, connected } = foundation;
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
  const environment = gatewayEnvironment(config);
  return new GatewayFleet(
    "gateway",
    {
      site,
      subnet: network.subnetId,
      zones: config.zones,
      machineType: config.machineType,
      cosImage: config.cosImage,
      account: gatewayIdentity.email,
      boot: {
        images: { gateway: image, ...mirroredImages(registry, ["alloy"]) },
        environment: {
          ...environment,
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
      },
      minInstances: config.minInstances,
      maxInstances: config.maxInstances,
      cpuTarget: config.cpuTarget / 100,
      connectionsTarget: config.connectionsTarget,
      scaleInMinutes: config.scaleInMinutes,
      drainSeconds: drainSeconds(environment),
      spot: config.spot,
      rolloutCheck: ROLLOUT_CHECK,
      canary: canaryArgs(config, monitoringVm),
      after: [nats], // a gateway that starts while NATS is away accepts no client
    },
    connected,
  );
}

interface Entrances {
  loadBalancer: LoadBalancer;
  /** Address for clients, through the load balancer. */
  url: pulumi.Output<string>;
  /** The TLS entrance; undefined without a domain. */
  wss: WssEntrance | undefined;
}

function createEntrances(
  { config, apis }: Foundation,
  { instanceGroup, canaryGroup }: GatewayFleet,
  wssAddress: WssAddress | undefined,
): Entrances {
  const { site, domain, dnsZone } = config;
  const behind = { site, instanceGroup, canaryGroup, drainSeconds: drainSeconds(gatewayEnvironment(config)) };
  const loadBalancer = new LoadBalancer("load-balancer", behind, apis.first);
  const wss =
    domain === undefined || wssAddress === undefined
      ? undefined
      : new WssEntrance(
          "wss",
          {
            ...behind,
            domain,
            dnsZone,
            address: wssAddress.address,
            connectsPerMinutePerAddress: CONNECTS_PER_MINUTE,
          },
          apis.first,
        );
  return { loadBalancer, url: pulumi.interpolate`ws://${loadBalancer.address}:${PORTS.clients}/ws`, wss };
}

interface Watched {
  monitoringVm: MonitoringVm;
  fleet: GatewayFleet;
  entrances: Entrances;
  gate: RolloutGate;
}

function createWatchdog({ config, apis }: Foundation, watched: Watched): void {
  const { monitoringVm, fleet, entrances, gate } = watched;
  const { site, zones, domain, alertEmail, alertWebhook, monthlyBudget } = config;
  const watchdog = new Watchdog(
    "watchdog",
    {
      site,
      address: entrances.loadBalancer.address,
      domain,
      instanceGroup: fleet.instanceGroup,
      monitoring: {
        instance: monitoringVm.instance,
        zone: zones[0] ?? "",
        heartbeat: HEARTBEAT_METRIC,
        alerts: ALERTS_METRIC,
      },
      email: alertEmail,
      webhook: alertWebhook === undefined ? undefined : pulumi.secret(alertWebhook),
    },
    // After the first gateway reports connections and the first heartbeat was written: until then alerts on
    // missing data would fire.
    after(apis, gate),
  );
  if (monthlyBudget > 0)
    new Budget("budget", { site, amount: monthlyBudget, mailChannels: watchdog.mailChannels }, apis.first);
}
