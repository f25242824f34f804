import {
  APIS,
  after,
  ConfigBucket,
  capacityRules,
  Firewall,
  Identity,
  IMAGES,
  MONITORING_ROLES,
  Network,
  PORTS,
  Registry,
  Services,
  Vm,
} from "@odin-ws/infra";
import { monitoringFiles } from "@odin-ws/monitoring";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";
import { drainSeconds, gatewayEnvironment } from "./gateway-settings.ts";
import { gatewayImage, loadtestImage, publisherImage } from "./images.ts";
import { MACHINES } from "./machines.ts";
import { monitoringOptions, natsNames, OWN_LOKI } from "./monitoring/options.ts";

const CIDR = "10.20.0.0/20"; // another one than the service's, in case the two networks are ever joined
/** What starts the load test on the runner, as infra/startup/runner.sh installs it: PATH has it in login shells only, and docker is root's. */
export const LOADTEST = "sudo /mnt/disks/odin/bin/odin-loadtest";
const AWAIT_STARTUP = "npm run --silent await-startup";

/**
 * One gateway as it runs in prod, a backend (NATS, publisher, monitoring) and a load generator, in a network of their own that nobody
 * else reaches. Nothing is protected: `pulumi destroy` leaves nothing.
 */
export function capacityTest(config: StackConfig): Record<string, unknown> {
  const { site, zones, cosImage, spot } = config;
  const [zone = ""] = zones;
  const apis = new Services("apis", { site, apis: APIS.capacityTest });
  const { first } = apis;
  const identity = (name: string, description: string, roles: string[]) =>
    new Identity(name, { site, description, roles }, first);
  const gateway = identity("gateway", "The gateway under test", ["roles/logging.logWriter"]);
  const backend = identity("backend", "NATS, publisher and monitoring", [...MONITORING_ROLES]);
  const runner = identity("runner", "Load generator", ["roles/logging.logWriter"]);

  const network = new Network("network", { site, cidr: CIDR }, first);
  const firewall = new Firewall(
    "firewall",
    {
      site,
      network: network.id,
      rules: capacityRules({ gateway: gateway.email, backend: backend.email, runner: runner.email }),
    },
    first,
  );
  const connected = after(apis, firewall); // machines look for each other as soon as they start
  const registry = new Registry(
    "images",
    {
      site,
      readers: { gateway: gateway.member, backend: backend.member, runner: runner.member },
      mirrorReaders: { gateway: gateway.member, backend: backend.member },
    },
    first,
  );
  const mirrored = (...names: (keyof typeof IMAGES)[]) =>
    Object.fromEntries(names.map((name) => [name, registry.mirror(IMAGES[name])]));
  const vm = { site, subnet: network.subnetId, zone, cosImage, spot, startupCheck: AWAIT_STARTUP };

  const bucket = new ConfigBucket(
    "config",
    {
      site,
      files: monitoringFiles(monitoringOptions(config)),
      readers: { backend: backend.member, gateway: gateway.member },
    },
    first,
  );
  const backendVm = new Vm(
    "backend",
    {
      ...vm,
      machineType: MACHINES.backend.type,
      account: backend.email,
      dataDisk: { sizeGb: MACHINES.backend.dataGib, snapshots: false },
      boot: {
        role: "backend",
        images: {
          publisher: publisherImage(registry, first),
          ...mirrored("nats", "nats-exporter", "prometheus", "alertmanager", "loki", "grafana", "alloy"),
        },
        settings: {
          "config-bucket": bucket.bucket,
          "loki-url": OWN_LOKI,
          "nats-monitoring": natsNames(config)
            .map((name) => `${name},http://127.0.0.1:${PORTS.natsMonitoring}`)
            .join(" "),
        },
      },
    },
    connected,
  );
  const image = gatewayImage(config, registry, first);
  const environment = gatewayEnvironment(config);
  const gatewayVm = new Vm(
    "gateway",
    {
      ...vm,
      machineType: config.machineType,
      account: gateway.email,
      boot: {
        role: "gateway",
        images: { gateway: image, ...mirrored("alloy") },
        environment: {
          ...environment,
          GCP_METRICS: "off", // no autoscaler reads it, and the numbers of prod stay its own
          NATS_URL: pulumi.interpolate`nats://${backendVm.address}:${PORTS.nats}`,
        },
        settings: {
          "drain-seconds": String(drainSeconds(environment)),
          "loki-url": pulumi.interpolate`http://${backendVm.address}:${PORTS.loki}`,
          "config-bucket": bucket.bucket,
        },
      },
    },
    connected,
  );
  const url = pulumi.interpolate`ws://${gatewayVm.address}:${PORTS.clients}/ws`;
  const publisherUrl = pulumi.interpolate`http://${backendVm.address}:${PORTS.publisher}`;
  const runnerVm = new Vm(
    "runner",
    {
      ...vm,
      machineType: MACHINES.runner.type,
      account: runner.email,
      boot: {
        role: "runner",
        images: { loadtest: loadtestImage(registry, first) },
        environment: {
          WS_URL: url,
          PUBLISHER_URL: publisherUrl,
          METRICS_URL: pulumi.interpolate`http://${gatewayVm.address}:${PORTS.ops}/metrics`,
        },
      },
    },
    connected,
  );
  const ssh = (instance: string) =>
    `gcloud compute ssh ${instance} --project ${site.project} --zone ${zone} --tunnel-through-iap`;
  return {
    url,
    publisherUrl,
    image,
    run: `${ssh(runnerVm.instance)} -- -t ${LOADTEST} sustained`,
    grafana: `${ssh(backendVm.instance)} -- -L ${PORTS.grafana}:localhost:${PORTS.grafana}`,
  };
}
