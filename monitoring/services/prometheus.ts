import { alertRules } from "../alerts/alert-rules.ts";
import { JOB } from "../limits/metrics.ts";
import { recordingRules } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import { localAddress, PORTS } from "./ports.ts";
import { yaml } from "./yaml.ts";

const MONITORING = "monitoring"; // label `instance` of what runs beside Prometheus

/** Prometheus: whom it asks, and the rules. */
export function prometheusFiles(options: MonitoringOptions): Record<string, string> {
  return {
    "prometheus/prometheus.yml": yaml(configuration(options)),
    "prometheus/rules/recording.yml": yaml({ groups: recordingRules(options) }),
    "prometheus/rules/alerts.yml": yaml({ groups: alertRules(options) }),
  };
}

function configuration(options: MonitoringOptions): object {
  const { stack, ports, kind, domain, natsMonitoring } = options;
  const beside = (job: "prometheus" | "alertmanager" | "loki") =>
    ownJob(JOB[job], localAddress(job, ports), MONITORING);
  return {
    global: {
      scrape_interval: "15s",
      scrape_timeout: "10s",
      evaluation_interval: "15s",
      // On every alert, so that several stacks may share a receiver.
      external_labels: { stack },
    },
    rule_files: ["rules/*.yml"],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [localAddress("alertmanager", ports)] }] }] },
    scrape_configs: [
      gatewayJob(options),
      ...(natsMonitoring.length > 0
        ? [ownJob(JOB.nats, localAddress("natsExporter", ports), MONITORING)]
        : []),
      ...(kind === "local" ? [] : [machineJob()]),
      ...(domain === undefined ? [] : [entranceJob(domain)]),
      beside("prometheus"),
      beside("alertmanager"),
      beside("loki"),
    ],
  };
}

/** Gateways come and go: Prometheus asks Compute Engine for them, one question a zone. On a laptop they have fixed addresses. */
function gatewayJob({ kind, project, zones = [], stack, gatewayTargets = [] }: MonitoringOptions): object {
  if (kind === "local") return { job_name: JOB.gateway, static_configs: [{ targets: [...gatewayTargets] }] };
  return {
    job_name: JOB.gateway,
    gce_sd_configs: zones.map((zone) => ({
      project,
      zone,
      filter: `(labels.stack = "${stack}") (labels.role = "gateway")`,
      port: PORTS.gateway,
      refresh_interval: "30s",
    })),
    relabel_configs: [
      { source_labels: ["__meta_gce_instance_status"], regex: "RUNNING", action: "keep" },
      { source_labels: ["__meta_gce_instance_name"], target_label: "instance" },
      { source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)", target_label: "zone" },
    ],
  };
}

function ownJob(job: string, address: string, instance: string): object {
  return { job_name: job, static_configs: [{ targets: [address], labels: { instance } }] };
}

/** Where Alloy's HTTP server has the metrics of one of its exporters. */
function alloyPath(component: string): string {
  return `/api/v0/component/${component}/metrics`;
}

/** The machine that monitoring runs on: Alloy is there for its logs, and has the node exporter in it. */
function machineJob(): object {
  return {
    ...ownJob(JOB.machine, localAddress("alloy"), MONITORING),
    metrics_path: alloyPath("prometheus.exporter.unix.machine"),
  };
}

/** The TLS entrance, as clients see it. Its certificate lasts for months: once a minute is plenty. */
function entranceJob(domain: string): object {
  return {
    ...ownJob(JOB.entrance, localAddress("alloy"), domain),
    metrics_path: alloyPath("prometheus.exporter.blackbox.entrance"),
    params: { module: ["certificate"], target: [`${domain}:443`] },
    scrape_interval: "1m",
  };
}
