import {
  ALERTS_METRIC,
  after,
  Budget,
  type GatewayFleet,
  HEARTBEAT_METRIC,
  LoadBalancer,
  MonitoringVm,
  type Nats,
  PORTS,
  type RolloutGate,
  Watchdog,
  WssAddress,
  WssEntrance,
} from "@odin-ws/infra";
import { LOG_DAYS, monitoringFiles } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import { clientUrl } from "./client-url.ts";
import type { StackConfig } from "./config/config.ts";
import { createFoundation, type Foundation } from "./foundation.ts";
import { behind, createFleet, gatewayBoot } from "./gateways.ts";
import { gatewayImage, mirroredImages } from "./images.ts";
import type { KeptImage } from "./kept-image.ts";
import { MACHINES, STARTUP_CHECK } from "./machines.ts";
import { alertSecrets } from "./monitoring/alert-receivers.ts";
import { monitoringOptions, natsNames } from "./monitoring/options.ts";
import { monitoringZone } from "./monitoring/zone.ts";
import { createNats } from "./nats.ts";
import { createBases, createRegions, type DeployedRegion, type RegionBase } from "./regions.ts";
import { createGate, proven } from "./rollout.ts";

/**
 * New connections a minute from one address through the TLS entrance: a whole office may share an address.
 */
const CONNECTS_PER_MINUTE = 600;
/** Polls a minute from one address: of 300 clients, which poll every 2 s. */
const POLLS_PER_MINUTE = 9000;

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
  const bases = createBases(foundation, nats);
  const monitoringVm = createMonitoringVm(foundation, nats, bases);
  // The gateways must know the address of the TLS entrance. The rest of the entrance is created after the
  // gateways.
  const wssAddress =
    config.domain === undefined
      ? undefined
      : new WssAddress("wss-address", { site: config.site }, foundation.apis.first);
  const boot = gatewayBoot(foundation, { image, nats, monitoringVm, wssAddress });
  const fleet = createFleet(foundation, { boot, nats, monitoringVm });
  const loadBalancer = new LoadBalancer("load-balancer", behind(config, fleet), foundation.apis.first);
  const tested = { nats, monitoringVm, fleet, loadBalancer };
  // With several regions, each region has a gate of its own, and the TLS entrance waits for all of them.
  const homeGate =
    config.furtherRegions.length > 0 ? createGate(foundation, { ...tested, wss: undefined }) : undefined;
  const regions = homeGate
    ? createRegions(foundation, { boot, bases, nats, monitoringVm, gate: homeGate })
    : [];
  const wss = createWss(foundation, { fleet, wssAddress, regions });
  const gate = createGate(foundation, { ...tested, wss }, homeGate ? "rollout-entrance" : "rollout");
  createWatchdog(foundation, { monitoringVm, fleet, loadBalancer, regions, gate });

  const { site, domain } = config;
  const { publisherIdentity } = foundation;
  return {
    url: urls(config, loadBalancer, regions),
    ...(wss ? { secureUrl: `wss://${domain}/ws`, dnsRecords: wss.dnsRecords } : {}),
    image: proven(image, gate),
    instanceGroup: fleet.instanceGroup,
    monitoringVm: monitoringVm.instance,
    grafana: pulumi.interpolate`gcloud compute ssh ${monitoringVm.instance} --project ${site.project} --zone ${monitoringZone(config)} --tunnel-through-iap -- -L ${PORTS.grafana}:localhost:${PORTS.grafana}`,
    ...(publisherIdentity
      ? {
          ...(nats.publisherUrl ? { natsUrl: nats.publisherUrl } : {}),
          natsCa: nats.ca,
          publisherAccount: publisherIdentity.email,
        }
      : {}),
    ...(bases.some(({ mirror }) => mirror)
      ? {
          natsAddresses: Object.fromEntries(
            bases.flatMap(({ place, mirror }) => (mirror ? [[place.region, mirror.address]] : [])),
          ),
        }
      : {}),
    ...(natsAddress ? { natsPublicAddress: natsAddress.address } : {}),
    ...(nats.publishers
      ? { publishers: nats.publishers.secrets, natsCaSecret: nats.publishers.caSecret }
      : {}),
  };
}

function createMonitoringVm(foundation: Foundation, nats: Nats, bases: readonly RegionBase[]): MonitoringVm {
  const { config, apis, gatewayIdentity, monitoringIdentity, natsIdentity, network, registry, connected } =
    foundation;
  const { site, cosImage } = config;
  const names = natsNames(config);
  return new MonitoringVm(
    "monitoring",
    {
      site,
      zone: monitoringZone(config),
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
      natsServers: [...nats.monitoring, ...bases.flatMap(({ mirror }) => mirror?.monitoring ?? [])].map(
        (address, index) => ({ name: names[index] ?? "", address }),
      ),
      diskGb: MACHINES.monitoring.dataGib,
      logDays: LOG_DAYS,
      snapshots: site.production,
      startupCheck: STARTUP_CHECK,
    },
    connected,
  );
}

/**
 * The address for clients through the load balancer. With several regions a map: `global` is the entrance
 * that sends each client to the nearest region, and each region has an address of its own.
 */
function urls(
  { site, domain, regions }: StackConfig,
  loadBalancer: LoadBalancer,
  further: readonly DeployedRegion[],
): unknown {
  if (Object.keys(regions).length === 0) return clientUrl(loadBalancer);
  return {
    global: `wss://${domain}/ws`,
    [site.region]: clientUrl(loadBalancer),
    ...Object.fromEntries(further.map(({ region, loadBalancer }) => [region, clientUrl(loadBalancer)])),
  };
}

interface WssParts {
  fleet: GatewayFleet;
  /** Undefined without a domain. */
  wssAddress: WssAddress | undefined;
  regions: readonly DeployedRegion[];
}

/** The TLS entrance; undefined without a domain. */
function createWss(
  { config, apis }: Foundation,
  { fleet, wssAddress, regions }: WssParts,
): WssEntrance | undefined {
  const { domain, dnsZone } = config;
  if (domain === undefined || wssAddress === undefined) return undefined;
  return new WssEntrance(
    "wss",
    {
      ...behind(config, fleet),
      furtherGroups: regions.map(({ fleet }) => fleet.instanceGroup),
      domain,
      dnsZone,
      address: wssAddress.address,
      connectsPerMinutePerAddress: CONNECTS_PER_MINUTE,
      pollsPerMinutePerAddress: POLLS_PER_MINUTE,
    },
    // A region gets clients of the entrance when its gateways have passed their test.
    after(apis, ...regions.flatMap(({ gate }) => gate ?? [])),
  );
}

interface Watched {
  monitoringVm: MonitoringVm;
  fleet: GatewayFleet;
  loadBalancer: LoadBalancer;
  regions: readonly DeployedRegion[];
  gate: RolloutGate;
}

function createWatchdog({ config, apis }: Foundation, watched: Watched): void {
  const { monitoringVm, fleet, loadBalancer, regions, gate } = watched;
  const { site, domain, alertEmail, alertWebhook, monthlyBudget } = config;
  const watchdog = new Watchdog(
    "watchdog",
    {
      site,
      address: loadBalancer.address,
      domain,
      instanceGroup: fleet.instanceGroup,
      furtherRegions: regions
        .filter(({ drain }) => !drain)
        .map(({ region, fleet, loadBalancer }) => ({
          region,
          address: loadBalancer.address,
          instanceGroup: fleet.instanceGroup,
        })),
      monitoring: {
        instance: monitoringVm.instance,
        zone: monitoringZone(config),
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
