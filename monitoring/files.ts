import { stringify } from "yaml";
import { logShipper } from "./log-shipper.ts";

/** What differs from one deployment to the next. */
export interface MonitoringOptions {
  /** Google Cloud project in which Prometheus looks for gateways. */
  project: string;
  /** Zones of the gateways, for example `us-central1-a`. */
  zones: readonly string[];
  /** Value of the label `stack` of this deployment's VMs: several may share a project. */
  stack: string;
}

/** The files of the monitoring VM and of the log shippers, by path: what is in the bucket, byte for byte. */
export function monitoringFiles(options: MonitoringOptions): Record<string, string> {
  return {
    "prometheus/prometheus.yml": stringify(prometheus(options)),
    "alertmanager/alertmanager.yml": stringify(ALERTMANAGER),
    "loki/loki.yml": stringify(LOKI),
    "grafana/provisioning/datasources/odin.yml": stringify(DATASOURCES),
    "grafana/provisioning/dashboards/odin.yml": stringify(DASHBOARDS),
    "alloy/gateway.alloy": logShipper(["gateway"]),
    "alloy/monitoring.alloy": logShipper(["prometheus", "alertmanager", "loki", "grafana"]),
  };
}

const OPS_PORT = 3002; // the gateway's /metrics
const PROMETHEUS_URL = "http://127.0.0.1:9090";
const LOKI_URL = "http://127.0.0.1:3100";
const ALERTMANAGER_URL = "http://127.0.0.1:9093";
const LOG_RETENTION = "168h"; // 7 days

/** Gateways come and go: Prometheus asks Compute Engine for them, one question a zone. */
function prometheus({ project, zones, stack }: MonitoringOptions) {
  return {
    global: { scrape_interval: "15s", evaluation_interval: "15s", external_labels: { stack } },
    alerting: { alertmanagers: [{ static_configs: [{ targets: [hostOf(ALERTMANAGER_URL)] }] }] },
    scrape_configs: [
      {
        job_name: "gateway",
        gce_sd_configs: zones.map((zone) => ({
          project,
          zone,
          filter: `(labels.stack = "${stack}") (labels.role = "gateway")`,
          port: OPS_PORT,
          refresh_interval: "30s",
        })),
        relabel_configs: [
          { source_labels: ["__meta_gce_instance_status"], regex: "RUNNING", action: "keep" },
          { source_labels: ["__meta_gce_instance_name"], target_label: "instance" },
          { source_labels: ["__meta_gce_zone"], regex: ".*/([^/]+)", target_label: "zone" },
        ],
      },
      ...[
        ["prometheus", PROMETHEUS_URL],
        ["alertmanager", ALERTMANAGER_URL],
        ["loki", LOKI_URL],
      ].map(([job = "", url = ""]) => ({
        job_name: job,
        static_configs: [{ targets: [hostOf(url)], labels: { instance: "monitoring" } }],
      })),
    ],
  };
}

/** Alerts are seen in Alertmanager and Grafana; who else is told comes with the alert rules. */
const ALERTMANAGER = {
  route: { receiver: "none", group_by: ["alertname"] },
  receivers: [{ name: "none" }],
};

// biome-ignore lint/suspicious/noTemplateCurlyInString: Loki puts in its environment's value
const DATA = "${LOKI_DATA}";

/** One process. */
const LOKI = {
  auth_enabled: false,
  server: { http_listen_port: 3100, grpc_listen_address: "127.0.0.1", log_level: "warn" },
  common: {
    instance_addr: "127.0.0.1",
    path_prefix: DATA,
    replication_factor: 1,
    ring: { kvstore: { store: "inmemory" } },
    storage: {
      filesystem: { chunks_directory: `${DATA}/chunks`, rules_directory: `${DATA}/rules` },
    },
  },
  schema_config: {
    configs: [
      {
        from: "2025-01-01",
        store: "tsdb",
        object_store: "filesystem",
        schema: "v13",
        index: { prefix: "index_", period: "24h" },
      },
    ],
  },
  compactor: {
    working_directory: `${DATA}/compactor`,
    retention_enabled: true,
    delete_request_store: "filesystem",
  },
  limits_config: {
    retention_period: LOG_RETENTION,
    ingestion_rate_mb: 4, // of all gateways together; a gateway that floods loses lines, not the VM
    ingestion_burst_size_mb: 8,
    max_streams_per_user: 2_000,
  },
  analytics: { reporting_enabled: false },
};

const DATASOURCES = {
  apiVersion: 1,
  prune: true,
  datasources: [
    { name: "Prometheus", uid: "prometheus", type: "prometheus", url: PROMETHEUS_URL, isDefault: true },
    { name: "Loki", uid: "loki", type: "loki", url: LOKI_URL },
    {
      name: "Alertmanager",
      uid: "alertmanager",
      type: "alertmanager",
      url: ALERTMANAGER_URL,
      jsonData: { implementation: "prometheus" },
    },
  ].map((source) => ({ access: "proxy", editable: false, ...source })),
};

const DASHBOARDS = {
  apiVersion: 1,
  providers: [
    {
      name: "odin",
      type: "file",
      allowUiUpdates: false,
      updateIntervalSeconds: 30,
      options: { path: "/var/lib/odin/config/current/grafana/dashboards", foldersFromFilesStructure: true },
    },
  ],
};

function hostOf(url: string): string {
  return new URL(url).host;
}
