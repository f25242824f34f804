import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { after } from "../after.ts";
import { PORTS } from "../ports.ts";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";
import { ConfigBucket } from "./config-bucket.ts";
import { LogBucket } from "./log-bucket.ts";
import { Vm } from "./vm.ts";

/**
 * Roles that the VM's account needs in the project: to find gateways, and to write its serial log and its
 * heartbeat.
 */
export const MONITORING_ROLES = [
  "roles/compute.viewer",
  "roles/logging.logWriter",
  "roles/monitoring.metricWriter",
];

/**
 * The VM writes this metric each minute while Prometheus and Alertmanager work: INT64, the number of critical
 * alerts that fire, on resource `gce_instance`.
 */
export const HEARTBEAT_METRIC = "custom.googleapis.com/odin_ws/monitoring_heartbeat";

/**
 * The VM writes this metric together with {@link HEARTBEAT_METRIC}: INT64, a series for each critical alert
 * and each warning that fires, with the labels `alert` and `severity`. The value is how often the alert
 * fires, for example on how many gateways. The series of an alert ends when the alert does.
 */
export const ALERTS_METRIC = "custom.googleapis.com/odin_ws/monitoring_alerts";

/**
 * Loki's URL by the VM's name in Google's internal DNS. The name is known before the VM: NATS servers ship
 * their logs by name, because the VM needs the addresses of these servers and so comes after them.
 */
export function lokiUrlByName({ project, prefix }: Site, zone: string, name: string): string {
  return `http://${prefix}-${name}.${zone}.c.${project}.internal:${PORTS.loki}`;
}

/** Arguments of {@link MonitoringVm}. */
export interface MonitoringVmArgs {
  site: Site;
  subnet: pulumi.Input<string>;
  zone: string;
  /** For example `e2-small`. */
  machineType: string;
  /** Exact image of project cos-cloud. */
  cosImage: string;
  /** The VM's service account; it needs {@link MONITORING_ROLES}. */
  account: { email: pulumi.Input<string>; member: pulumi.Input<string> };
  /**
   * Container images by name: prometheus, alertmanager, loki, grafana, alloy, nats-exporter. A container
   * without an image does not run.
   */
  images: Record<string, pulumi.Input<string>>;
  /**
   * Configuration files by path. The VM downloads a change within two minutes; no VM is updated or replaced.
   */
  files: Record<string, pulumi.Input<string>>;
  /**
   * IAM members that read the files besides this VM, by a name of your choice: the gateways need them for
   * their log shipper. Default: none.
   */
  readers?: Record<string, pulumi.Input<string>> | undefined;
  /**
   * Our own NATS servers, whose state the exporter reads: their name in metrics, and `ADDRESS:8222`. Default:
   * none.
   */
  natsServers?: { name: string; address: pulumi.Input<string> }[] | undefined;
  /** CA certificate of these servers as PEM, to probe their certificates. Default: none. */
  natsCa?: pulumi.Input<string> | undefined;
  /** Secrets besides Grafana's password, in the form of {@link BootArgs.secrets}. Default: none. */
  secrets?: Record<string, pulumi.Input<string>> | undefined;
  /** Size of the data disk in GB, for metrics and for what Loki has not yet written to its bucket. */
  diskGb: number;
  /** Days that Loki keeps logs, according to its configuration. */
  logDays: number;
  /** True: daily snapshots of the data disk. */
  snapshots: boolean;
  /** Start-up check of the {@link Vm}. */
  startupCheck?: string | undefined;
}

/**
 * Prometheus, Alertmanager, Loki and Grafana on one VM, with their data on a separate disk, their files in a
 * bucket, and the logs in another bucket.
 */
export class MonitoringVm extends pulumi.ComponentResource {
  readonly address: pulumi.Output<string>;
  /** URL that log shippers send to: `http://ADDRESS:3100`. */
  readonly lokiUrl: pulumi.Output<string>;
  /** Name of the bucket with the files. */
  readonly bucket: string;
  /** Name of the VM in the cloud. */
  readonly instance: string;
  /** Full name of the secret's version that holds the password of Grafana's user admin. */
  readonly grafanaPassword: pulumi.Output<string>;
  /** Name of the VM, known after the start-up check has passed. */
  readonly ready: pulumi.Output<string>;

  constructor(name: string, args: MonitoringVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:MonitoringVm", name, {}, opts);
    const { site, account, files, readers, natsServers = [], natsCa } = args;
    const { result } = new random.RandomPassword(
      `${name}-grafana`,
      { length: 24, special: false },
      { parent: this },
    );
    this.grafanaPassword = new Secret(
      `${name}-grafana-admin-password`,
      { site, value: pulumi.secret(result), accessors: { monitoring: account.member } },
      { parent: this },
    ).version;
    const logs = new LogBucket(
      `${name}-logs`,
      { site, writer: account.member, keepDays: args.logDays },
      { parent: this },
    );
    const bucket = new ConfigBucket(
      `${name}-config`,
      { site, files, readers: { ...readers, monitoring: account.member } },
      // The configuration names the bucket of the logs.
      { parent: this, ...after(logs) },
    );
    const vm = new Vm(
      name,
      {
        site,
        subnet: args.subnet,
        zone: args.zone,
        machineType: args.machineType,
        cosImage: args.cosImage,
        account: account.email,
        dataDisk: { sizeGb: args.diskGb, snapshots: args.snapshots },
        startupCheck: args.startupCheck,
        after: [bucket],
        boot: {
          role: "monitoring",
          images: args.images,
          files: natsCa === undefined ? {} : { "nats-ca": natsCa },
          secrets: { ...args.secrets, "file-grafana-admin-password": this.grafanaPassword },
          settings: {
            "config-bucket": bucket.bucket,
            "loki-url": `http://127.0.0.1:${PORTS.loki}`, // for the log shipper on this VM
            "heartbeat-metric": HEARTBEAT_METRIC,
            "alerts-metric": ALERTS_METRIC,
            ...(natsServers.length > 0 ? { "nats-monitoring": exporterArguments(natsServers) } : {}),
          },
        },
      },
      { parent: this },
    );
    this.bucket = bucket.bucket;
    this.instance = vm.instance;
    this.address = vm.address;
    this.lokiUrl = pulumi.interpolate`http://${vm.address}:${PORTS.loki}`;
    this.ready = vm.ready;
    this.registerOutputs({
      address: this.address,
      lokiUrl: this.lokiUrl,
      bucket: this.bucket,
      grafanaPassword: this.grafanaPassword,
    });
  }
}

/** Arguments of the exporter: `NAME,http://ADDRESS:8222` for each server, separated by spaces. */
function exporterArguments(servers: NonNullable<MonitoringVmArgs["natsServers"]>): pulumi.Output<string> {
  const all = servers.map(({ name, address }) => pulumi.interpolate`${name},http://${address}`);
  return pulumi.all(all).apply((known) => known.join(" "));
}
