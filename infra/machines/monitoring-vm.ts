import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { PORTS } from "../ports.ts";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";
import { ConfigBucket } from "./config-bucket.ts";
import { Vm } from "./vm.ts";

/** What the VM's account needs in the project: to find gateways, to write its serial log and its heartbeat. */
export const MONITORING_ROLES = [
  "roles/compute.viewer",
  "roles/logging.logWriter",
  "roles/monitoring.metricWriter",
];

/** Written each minute while Prometheus and Alertmanager answer: INT64 1, on resource `gce_instance`. */
export const HEARTBEAT_METRIC = "custom.googleapis.com/odin_ws/monitoring_heartbeat";

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
  /** Container images by name: prometheus, alertmanager, loki, grafana, alloy, nats-exporter. What has none does not run. */
  images: Record<string, pulumi.Input<string>>;
  /** Files by path; pulled within two minutes of a change, which touches no VM. */
  files: Record<string, pulumi.Input<string>>;
  /** IAM members besides the VM that read the files, by a name for each: the gateways, for their log shipper. Default: none. */
  readers?: Record<string, pulumi.Input<string>>;
  /** Our own NATS servers, whose state the exporter reads: what metrics call them, and `ADDRESS:8222`. Default: none. */
  natsServers?: { name: string; address: pulumi.Input<string> }[];
  /** More secrets than Grafana's password, as {@link BootArgs.secrets} takes them. Default: none. */
  secrets?: Record<string, pulumi.Input<string>>;
  /** GB for metrics and logs. */
  diskGb: number;
  /** Daily snapshots of the data. */
  snapshots: boolean;
  /** As {@link Vm} takes it. */
  startupCheck?: string;
}

/** Prometheus, Alertmanager, Loki and Grafana on one VM, with their data on a disk of its own and their files in a bucket. */
export class MonitoringVm extends pulumi.ComponentResource {
  readonly address: pulumi.Output<string>;
  /** Where log shippers send to: `http://ADDRESS:3100`. */
  readonly lokiUrl: pulumi.Output<string>;
  /** Name of the bucket with the files. */
  readonly bucket: string;
  /** The VM as the cloud calls it. */
  readonly instance: string;
  /** Full name of the secret's version with the password of Grafana's user admin. */
  readonly grafanaPassword: pulumi.Output<string>;
  /** The VM's name, as soon as the start-up check has passed. */
  readonly ready: pulumi.Output<string>;

  constructor(name: string, args: MonitoringVmArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:MonitoringVm", name, {}, opts);
    const { site, account, files, readers, natsServers = [] } = args;
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
    const bucket = new ConfigBucket(
      `${name}-config`,
      { site, files, readers: { ...readers, monitoring: account.member } },
      { parent: this },
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
        ...(args.startupCheck === undefined ? {} : { startupCheck: args.startupCheck }),
        after: [bucket],
        boot: {
          role: "monitoring",
          images: args.images,
          secrets: { ...args.secrets, "file-grafana-admin-password": this.grafanaPassword },
          settings: {
            "config-bucket": bucket.bucket,
            "loki-url": `http://127.0.0.1:${PORTS.loki}`, // for its own log shipper
            "heartbeat-metric": HEARTBEAT_METRIC,
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

/** As the exporter takes them: `NAME,http://ADDRESS:8222`, a space between two. */
function exporterArguments(servers: NonNullable<MonitoringVmArgs["natsServers"]>): pulumi.Output<string> {
  const all = servers.map(({ name, address }) => pulumi.interpolate`${name},http://${address}`);
  return pulumi.all(all).apply((known) => known.join(" "));
}
