import { BOOT_DISK, bucketName, type Cost, egressSteps, machineFacts, monthly, PORTS } from "@odin-ws/infra";
import type { MonitoringOptions, MonthlyPrices } from "@odin-ws/monitoring";
import { SETTINGS } from "@odin-ws/server/settings";
import type { StackConfig } from "../config/config.ts";
import { gatewayEnvironment } from "../gateway-settings.ts";
import { MACHINES } from "../machines.ts";
import { alertReceivers } from "./alert-receivers.ts";

/** Loki's address on its own machine, for the log shipper there and for Grafana. */
export const OWN_LOKI = `http://127.0.0.1:${PORTS.loki}`;

const IMAGES_GIB = 10; // images in the registry

/**
 * Options for the files of a stack's monitoring. They are known without a cloud, so that `npm run render` can
 * write the files that the program puts into the bucket. They contain no limit of the autoscaler, so that a
 * changed limit changes no file.
 */
export function monitoringOptions(config: StackConfig): MonitoringOptions {
  const { site, stack, zones, domain, furtherRegions } = config;
  const environment = gatewayEnvironment(config);
  const service = config.kind === "service";
  return {
    kind: config.kind,
    stack,
    project: site.project,
    region: site.region,
    zones: service ? [...zones, ...furtherRegions.flatMap((region) => region.zones)] : zones.slice(0, 1),
    ...(service && furtherRegions.length > 0 ? { regions: withGateways(config) } : {}),
    natsMonitoring: natsNames(config),
    ...natsCredentialsEnd(config),
    lokiUrl: OWN_LOKI,
    ...(service ? { logBucket: bucketName(site, "logs") } : {}),
    memoryLimitBytes: SETTINGS.WS_MEMORY_LIMIT.parse(environment.WS_MEMORY_LIMIT),
    maxConnections: SETTINGS.WS_MAX_CONNECTIONS.parse(environment.WS_MAX_CONNECTIONS),
    cpuLimit: SETTINGS.WS_CPU_LIMIT.parse(environment.WS_CPU_LIMIT),
    egressBits: machineFacts(config.machineType)?.egressBits ?? "unknown",
    monthlyPrices: monthlyPrices(config),
    receivers: service ? alertReceivers(config) : {},
    runbookUrl: config.runbookUrl ?? "docs/runbook.md",
    grafanaUrl: "http://localhost:3010", // through the tunnel that `pulumi stack output grafana` prints
    ...(service && domain !== undefined ? { domain } : {}),
  };
}

/** The regions of a stack without those that are being removed. */
function withGateways({ site, furtherRegions }: StackConfig): string[] {
  return [site.region, ...furtherRegions.filter(({ drain }) => !drain).map(({ region }) => region)];
}

/** When the user in natsCredentials expires, if its JWT says so. */
function natsCredentialsEnd({ natsCredentials = "" }: StackConfig): { natsCredentialsEnd?: number } {
  const [, jwt = ""] = /BEGIN NATS USER JWT-+\s+(\S+)/.exec(natsCredentials) ?? [];
  try {
    const { exp } = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as {
      exp?: unknown;
    };
    return typeof exp === "number" && exp > 0 ? { natsCredentialsEnd: exp } : {};
  } catch {
    return {}; // not a JWT: NATS will refuse the credentials, and the gateways' log will say so
  }
}

/**
 * Names of the VMs of the stack's own NATS servers, in their order, those of the home region first; empty
 * with Synadia.
 */
export function natsNames({
  kind,
  nats,
  site,
  furtherRegions,
}: Pick<StackConfig, "kind" | "nats" | "site" | "furtherRegions">): string[] {
  if (kind === "capacity-test") return [`${site.prefix}-nats`];
  if (nats === "synadia") return [];
  const servers = nats === "cluster" ? ["nats-0", "nats-1", "nats-2"] : ["nats"];
  return [
    ...servers.map((name) => `${site.prefix}-${name}`),
    ...furtherRegions.map(({ region, site }) => `${site.prefix}-nats-${region}`),
  ];
}

/** Prices of machines, disks, entrances and traffic from the price table of the preview. */
function monthlyPrices(config: StackConfig): MonthlyPrices {
  const { machineType, spot, domain } = config;
  const gateway = [
    monthly.vms(machineType, 1, spot),
    monthly.disks(BOOT_DISK.type, BOOT_DISK.sizeGb),
    monthly.nat(1, 0),
  ];
  const vm = ({ type, dataGib }: { type: string; dataGib?: number }): Cost[] => [
    monthly.vms(type, 1),
    monthly.disks(BOOT_DISK.type, BOOT_DISK.sizeGb),
    monthly.nat(1, 0),
    ...(dataGib === undefined ? [] : [monthly.disks("pd-balanced", dataGib)]),
  ];
  const machines = [MACHINES.monitoring, ...natsNames(config).map(() => MACHINES.nats)];
  const dataGib = machines.reduce((sum, { dataGib }) => sum + dataGib, 0);
  const base =
    config.kind === "service"
      ? [
          ...machines.flatMap(vm),
          ...(config.site.production ? [monthly.snapshots(dataGib)] : []),
          monthly.forwardingRules(1, "regional"),
          monthly.nat(0, 1),
          ...(domain === undefined ? [] : [monthly.forwardingRules(1, "global"), monthly.armor(1, 2)]),
        ]
      : [...vm(MACHINES.backend), ...vm(MACHINES.runner), monthly.nat(0, 1)];
  return {
    gateway: dollars(gateway),
    base: dollars([...base, monthly.registry(IMAGES_GIB)]),
    traffic: config.kind === "service" ? egressSteps() : undefined,
  };
}

/**
 * Sum of the costs, rounded to a cent, so that no rounding error of floating point gets into a file.
 * Undefined when a part has no price: an incomplete sum would look like the whole.
 */
function dollars(costs: readonly Cost[]): number | undefined {
  if (costs.some(({ usd }) => usd === undefined)) return undefined;
  const sum = costs.reduce((total, { usd = 0 }) => total + usd, 0);
  return Number(sum.toFixed(2));
}
