import {
  APIS,
  after,
  Budget,
  Firewall,
  GATEWAY_ROLES,
  GatewayFleet,
  HEARTBEAT_METRIC,
  Identity,
  IMAGES,
  LoadBalancer,
  MONITORING_ROLES,
  MonitoringVm,
  Nats,
  Network,
  PORTS,
  Registry,
  RolloutGate,
  Secret,
  Services,
  serviceRules,
  Watchdog,
  WssAddress,
  WssEntrance,
} from "@odin-ws/infra";
import { monitoringFiles } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import { drainSeconds as drainOf, gatewayEnvironment, trustedProxies } from "./gateway-settings.ts";
import { gatewayImage } from "./images.ts";
import { MACHINES } from "./machines.ts";
import { alertSecrets } from "./monitoring/alert-receivers.ts";
import { monitoringOptions, natsNames } from "./monitoring/options.ts";

const CIDR = "10.10.0.0/20";
const AWAIT_STARTUP = "npm run --silent await-startup";
const SMOKE_TEST = "npm run --silent smoke";
/** For the smoke test: gateways boot, pull their image, and may wait minutes until grants have reached everywhere. */
const GATE_SECONDS = "600";
/** New connections that one address may make through the TLS entrance in a minute: a whole office may be behind it. */
const CONNECTS_PER_MINUTE = 600;

/** Staging and prod: gateways behind their entrances, NATS, monitoring, and what proves and watches them. */
export function service(config: StackConfig): Record<string, unknown> {
  const { site, zones, cosImage, domain, dnsZone } = config;
  const [firstZone = ""] = zones;
  const apis = new Services("apis", {
    site,
    apis: [...APIS.service, ...(domain === undefined ? [] : APIS.domain)],
  });
  const { first } = apis;
  const selfHosted = config.nats !== "synadia";

  const gateway = new Identity("gateway", { site, description: "Gateways", roles: GATEWAY_ROLES }, first);
  const monitoring = new Identity(
    "monitoring",
    { site, description: "Monitoring VM", roles: MONITORING_ROLES },
    first,
  );
  const nats = selfHosted
    ? new Identity("nats", { site, description: "NATS VMs", roles: ["roles/logging.logWriter"] }, first)
    : undefined;
  const publisher = selfHosted
    ? new Identity("publisher", { site, description: "VMs of the backend that publish to NATS" }, first)
    : undefined;

  const network = new Network("network", { site, cidr: CIDR }, first);
  const firewall = new Firewall(
    "firewall",
    {
      site,
      network: network.id,
      rules: serviceRules({
        gateway: gateway.email,
        monitoring: monitoring.email,
        nats: nats?.email,
        publisher: publisher?.email,
      }),
    },
    first,
  );
  // Machines look for each other as soon as they start.
  const connected = after(apis, firewall);
  const registry = new Registry(
    "images",
    {
      site,
      readers: { gateway: gateway.member },
      mirrorReaders: {
        gateway: gateway.member,
        monitoring: monitoring.member,
        ...(nats ? { nats: nats.member } : {}),
      },
    },
    first,
  );
  const mirrored = (...names: (keyof typeof IMAGES)[]) =>
    Object.fromEntries(names.map((name) => [name, registry.mirror(IMAGES[name])]));
  const image = gatewayImage(config, registry, first);

  const messages = new Nats(
    "nats",
    nats
      ? {
          mode: config.nats === "cluster" ? "cluster" : "single",
          site,
          gateway: gateway.member,
          zones,
          subnet: network.subnetId,
          account: nats,
          image: registry.mirror(IMAGES.nats),
          machineType: MACHINES.nats.type,
          cosImage,
          diskGb: MACHINES.nats.dataGib,
          snapshots: site.production,
          startupCheck: AWAIT_STARTUP,
        }
      : {
          mode: "synadia",
          site,
          gateway: gateway.member,
          ...(config.natsUrl === undefined ? {} : { url: config.natsUrl }),
          credentials: pulumi.secret(config.natsCredentials ?? ""),
        },
    connected,
  );

  const servers = natsNames(config);
  const watcher = new MonitoringVm(
    "monitoring",
    {
      site,
      zone: firstZone,
      subnet: network.subnetId,
      account: monitoring,
      machineType: MACHINES.monitoring.type,
      cosImage,
      images: mirrored(
        "prometheus",
        "alertmanager",
        "loki",
        "grafana",
        "alloy",
        ...(nats ? (["nats-exporter"] as const) : []),
      ),
      files: monitoringFiles(monitoringOptions(config)),
      readers: { gateway: gateway.member },
      secrets: alertSecrets(config, monitoring.member, first),
      natsServers: messages.monitoring.map((address, index) => ({ name: servers[index] ?? "", address })),
      diskGb: MACHINES.monitoring.dataGib,
      snapshots: site.production,
      startupCheck: AWAIT_STARTUP,
    },
    connected,
  );

  const jwt =
    config.jwtSecret === undefined
      ? undefined
      : new Secret(
          "jwt-secret",
          { site, value: pulumi.secret(config.jwtSecret), accessors: { gateway: gateway.member } },
          first,
        );
  const environment = gatewayEnvironment(config);
  const drainSeconds = drainOf(environment);
  // Before the gateways, which must know it; the rest of the TLS entrance comes after them.
  const secureAddress = domain === undefined ? undefined : new WssAddress("wss-address", { site }, first);
  const fleet = new GatewayFleet(
    "gateway",
    {
      site,
      subnet: network.subnetId,
      zones,
      machineType: config.machineType,
      cosImage,
      account: gateway.email,
      boot: {
        images: { gateway: image, ...mirrored("alloy") },
        environment: {
          ...environment,
          ...(secureAddress ? { WS_TRUSTED_PROXIES: trustedProxies(secureAddress.address) } : {}),
          ...messages.connection.environment,
        },
        secrets: { ...messages.connection.secrets, ...(jwt ? { "env-JWT_SECRET": jwt.version } : {}) },
        files: messages.connection.files,
        settings: { "loki-url": watcher.lokiUrl, "config-bucket": watcher.bucket },
      },
      minInstances: config.minInstances,
      maxInstances: config.maxInstances,
      cpuTarget: config.cpuTarget / 100,
      connectionsTarget: config.connectionsTarget,
      scaleInMinutes: config.scaleInMinutes,
      drainSeconds,
      spot: config.spot,
    },
    connected,
  );
  const { instanceGroup } = fleet;
  const entrance = new LoadBalancer("load-balancer", { site, instanceGroup, drainSeconds }, first);
  const secure =
    domain === undefined || secureAddress === undefined
      ? undefined
      : new WssEntrance(
          "wss",
          {
            site,
            domain,
            ...(dnsZone === undefined ? {} : { dnsZone }),
            address: secureAddress.address,
            instanceGroup,
            drainSeconds,
            connectsPerMinutePerAddress: CONNECTS_PER_MINUTE,
          },
          first,
        );

  const url = pulumi.interpolate`ws://${entrance.address}:${PORTS.clients}/ws`;
  const [origin] = config.allowedOrigins;
  const gate = new RolloutGate(
    "rollout",
    {
      command: SMOKE_TEST,
      environment: {
        ODIN_SMOKE_URL: url,
        ODIN_SMOKE_BACKEND_SERVICE: entrance.backendService,
        ODIN_SMOKE_GROUP: instanceGroup,
        ODIN_SMOKE_DEADLINE_SECONDS: GATE_SECONDS,
        ...(domain === undefined ? {} : { ODIN_SMOKE_SECURE_URL: `wss://${domain}/ws` }),
        ...(origin === undefined ? {} : { ODIN_SMOKE_ORIGIN: origin }),
        ...(config.jwtSecret === undefined ? {} : { ODIN_SMOKE_JWT_SECRET: pulumi.secret(config.jwtSecret) }),
      },
      triggers: [fleet.stable],
    },
    // A new group is stable before its first gateway has begun to boot, and no gateway is healthy before NATS is.
    after(apis, fleet, messages, watcher, entrance, ...(secure ? [secure] : [])),
  );

  const watchdog = new Watchdog(
    "watchdog",
    {
      site,
      address: entrance.address,
      ...(domain === undefined ? {} : { domain }),
      instanceGroup,
      monitoring: { instance: watcher.instance, zone: firstZone, heartbeat: HEARTBEAT_METRIC },
      ...(config.alertEmail === undefined ? {} : { email: config.alertEmail }),
      ...(config.alertWebhook === undefined ? {} : { webhook: pulumi.secret(config.alertWebhook) }),
    },
    // Before the first gateway has connections to report and the first heartbeat is there, their absence would be news.
    after(apis, gate),
  );
  if (config.monthlyBudget > 0)
    new Budget("budget", { site, amount: config.monthlyBudget, mailChannels: watchdog.mailChannels }, first);

  return {
    url,
    ...(secure ? { secureUrl: `wss://${domain}/ws`, dnsRecords: secure.dnsRecords } : {}),
    image,
    instanceGroup,
    monitoringVm: watcher.instance,
    grafana: pulumi.interpolate`gcloud compute ssh ${watcher.instance} --project ${site.project} --zone ${firstZone} --tunnel-through-iap -- -L ${PORTS.grafana}:localhost:${PORTS.grafana}`,
    ...(publisher
      ? { natsUrl: messages.publisherUrl, natsCa: messages.ca, publisherAccount: publisher.email }
      : {}),
  };
}
