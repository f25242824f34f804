import {
  APIS,
  after,
  ConfigBucket,
  capacityRules,
  Firewall,
  Identity,
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
import { gatewayImage, loadtestImage, mirroredImages, publisherImage } from "./images.ts";
import { MACHINES, STARTUP_CHECK } from "./machines.ts";
import { monitoringOptions, natsNames, OWN_LOKI } from "./monitoring/options.ts";

const CIDR = "10.20.0.0/20"; // differs from the service's range, so that the networks can be joined
/**
 * Command that starts the load test on the runner, where infra/startup/runner.sh installs it. The path is
 * complete because only login shells have the folder in PATH; sudo is needed because only root may use
 * Docker.
 */
export const LOADTEST = "sudo /mnt/disks/odin/bin/odin-loadtest";

/**
 * One gateway as it runs in prod, a backend (NATS, publisher, monitoring) and a load generator, in their own
 * closed network. Nothing is protected, so `pulumi destroy` removes everything.
 */
export function capacityTest(config: StackConfig): Record<string, unknown> {
  const { site, zones, cosImage, spot } = config;
  const [zone = ""] = zones;
  const apis = new Services("apis", { site, apis: APIS.capacityTest });
  const { first } = apis;
  const identity = (name: string, description: string, roles: string[]) =>
    new Identity(name, { site, description, roles }, first);
  const gatewayIdentity = identity("gateway", "The gateway under test", ["roles/logging.logWriter"]);
  const backendIdentity = identity("backend", "NATS, publisher and monitoring", [...MONITORING_ROLES]);
  const runnerIdentity = identity("runner", "Load generator", ["roles/logging.logWriter"]);

  const network = new Network("network", { site, cidr: CIDR }, first);
  const firewall = new Firewall(
    "firewall",
    {
      site,
      network: network.id,
      rules: capacityRules({
        gateway: gatewayIdentity.email,
        backend: backendIdentity.email,
        runner: runnerIdentity.email,
      }),
    },
    first,
  );
  const connected = after(apis, firewall); // machines connect to each other as soon as they start
  const registry = new Registry(
    "images",
    {
      site,
      readers: {
        gateway: gatewayIdentity.member,
        backend: backendIdentity.member,
        runner: runnerIdentity.member,
      },
      mirrorReaders: { gateway: gatewayIdentity.member, backend: backendIdentity.member },
    },
    first,
  );
  const vm = { site, subnet: network.subnetId, zone, cosImage, spot, startupCheck: STARTUP_CHECK };

  const bucket = new ConfigBucket(
    "config",
    {
      site,
      files: monitoringFiles(monitoringOptions(config)),
      readers: { backend: backendIdentity.member, gateway: gatewayIdentity.member },
    },
    first,
  );
  const backendVm = new Vm(
    "backend",
    {
      ...vm,
      machineType: MACHINES.backend.type,
      account: backendIdentity.email,
      dataDisk: { sizeGb: MACHINES.backend.dataGib, snapshots: false },
      boot: {
        role: "backend",
        images: {
          publisher: publisherImage(registry, first),
          ...mirroredImages(registry, [
            "nats",
            "nats-exporter",
            "prometheus",
            "alertmanager",
            "loki",
            "grafana",
            "alloy",
          ]),
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
      account: gatewayIdentity.email,
      boot: {
        role: "gateway",
        images: { gateway: image, ...mirroredImages(registry, ["alloy"]) },
        environment: {
          ...environment,
          // No autoscaler reads the metric, and prod's numbers must stay free of test values.
          GCP_METRICS: "off",
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
      account: runnerIdentity.email,
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
