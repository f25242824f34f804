import { alertRules } from "../alerts/alert-rules.ts";
import { JOB, LABEL } from "../limits/metrics.ts";
import { recordingRules } from "../limits/recording-rules.ts";
import { type MonitoringOptions, runsPublisher } from "../options.ts";
import { PROBER, PROBES } from "./alloy.ts";
import { localAddress, PORTS } from "./ports.ts";
import { yaml } from "./yaml.ts";

const MONITORING = "monitoring"; // label `instance` of targets on Prometheus's own machine

/** Configuration of Prometheus: its targets and its rules. */
export function prometheusFiles(options: MonitoringOptions): Record<string, string> {
  return {
    "prometheus/prometheus.yml": yaml(configuration(options)),
    "prometheus/rules/recording.yml": yaml({ groups: recordingRules(options) }),
    "prometheus/rules/alerts.yml": yaml({ groups: alertRules(options) }),
  };
}

function configuration(options: MonitoringOptions): object {
  const { stack, ports, kind, domain, natsMonitoring } = options;
  const ownProgram = (job: "prometheus" | "alertmanager" | "loki") =>
    staticJob(JOB[job], localAddress(job, ports), MONITORING);
  return {
    global: {
      scrape_interval: "15s",
      scrape_timeout: "10s",
      evaluation_interval: "15s",
      // Every alert has this label, so that several stacks can share a receiver.
      external_labels: { stack },
    },
    rule_files: ["rules/*.yml"],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [localAddress("alertmanager", ports)] }] }] },
    scrape_configs: [
      gatewayJob(options),
      ...(natsMonitoring.length > 0
        ? [staticJob(JOB.nats, localAddress("natsExporter", ports), MONITORING)]
        : []),
      ...(runsPublisher(options)
        ? [staticJob(JOB.publisher, localAddress("publisher", ports), MONITORING)]
        : []),
      ...(kind === "local" ? [] : [machineJob(options)]),
      ...(domain === undefined ? [] : [entranceJob(domain)]),
      ...(kind === "service" && natsMonitoring.length > 0 ? [natsCertificateJob(options)] : []),
      ownProgram("prometheus"),
      ownProgram("alertmanager"),
      ownProgram("loki"),
    ],
  };
}

/**
 * Prometheus asks Compute Engine for gateways, with one request for each zone. On a laptop gateways have
 * fixed addresses.
 */
function gatewayJob(options: MonitoringOptions): object {
  const { kind, gatewayTargets = [] } = options;
  if (kind === "local") return { job_name: JOB.gateway, static_configs: [{ targets: [...gatewayTargets] }] };
  return {
    job_name: JOB.gateway,
    gce_sd_configs: machines(options, "gateway", PORTS.gateway, "30s"),
    relabel_configs: [...NAMED_MACHINES, ...regionLabel(options)],
  };
}

/** The VMs of a role in all zones of the stack. */
function machines(
  { project, zones = [], stack }: MonitoringOptions,
  role: string,
  port: number,
  refresh_interval: string,
): object[] {
  return zones.map((zone) => ({
    project,
    zone,
    filter: `(labels.stack = "${stack}") (labels.role = "${role}")`,
    port,
    refresh_interval,
  }));
}

/** Keeps VMs that run, and labels them with their name and zone. */
const NAMED_MACHINES = [
  { source_labels: ["__meta_gce_instance_status"], regex: "RUNNING", action: "keep" },
  { source_labels: ["__meta_gce_instance_name"], target_label: "instance" },
  { source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)", target_label: "zone" },
];

/** With several regions, the label `region`, which is the zone without its letter. */
function regionLabel({ regions }: MonitoringOptions): object[] {
  if (regions === undefined) return [];
  return [{ source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)-[a-z]", target_label: LABEL.region }];
}

function staticJob(job: string, address: string, instance: string): object {
  return { job_name: job, static_configs: [{ targets: [address], labels: { instance } }] };
}

/** Path of an exporter's metrics on Alloy's HTTP server. */
function alloyPath(component: string): string {
  return `/api/v0/component/${component}/metrics`;
}

/**
 * All machines with a log shipper: Alloy contains the node exporter. The machine of Prometheus itself has a
 * fixed address, and none of the labels of Google Cloud.
 */
function machineJob(options: MonitoringOptions): object {
  const { project, zones = [], stack } = options;
  return {
    ...staticJob(JOB.machine, localAddress("alloy"), MONITORING),
    metrics_path: alloyPath("prometheus.exporter.unix.machine"),
    gce_sd_configs: zones.map((zone) => ({
      project,
      zone,
      filter: `labels.stack = "${stack}"`,
      port: PORTS.alloy,
      refresh_interval: "1m",
    })),
    relabel_configs: [
      { source_labels: ["__meta_gce_label_role"], regex: "gateway|nats|", action: "keep" },
      { source_labels: ["__meta_gce_instance_status"], regex: "RUNNING|", action: "keep" },
      { source_labels: ["__meta_gce_instance_name"], regex: "(.+)", target_label: "instance" },
      { source_labels: ["__meta_gce_label_role"], regex: "(.+)", target_label: "role" },
      ...regionLabel(options),
    ],
  };
}

/** Probes of the certificates of the stack's own NATS servers, which Alloy makes. */
function natsCertificateJob(options: MonitoringOptions): object {
  return {
    job_name: JOB.natsCertificate,
    gce_sd_configs: machines(options, "nats", PORTS.nats, "5m"),
    metrics_path: alloyPath(`prometheus.exporter.blackbox.${PROBER}`),
    params: { module: [PROBES.nats] },
    relabel_configs: [
      ...NAMED_MACHINES,
      { source_labels: ["__address__"], target_label: "__param_target" },
      { target_label: "__address__", replacement: localAddress("alloy") },
    ],
    scrape_interval: "1m",
  };
}

/** A probe of the TLS entrance. Once a minute is enough, because a certificate lasts for months. */
function entranceJob(domain: string): object {
  return {
    ...staticJob(JOB.entrance, localAddress("alloy"), domain),
    metrics_path: alloyPath(`prometheus.exporter.blackbox.${PROBER}`),
    params: { module: [PROBES.entrance], target: [`${domain}:443`] },
    scrape_interval: "1m",
  };
}
