import { LOG_LABELS } from "../limits/log-labels.ts";
import type { MonitoringOptions } from "../options.ts";

/** Containers whose log lines are sent to Loki, by role of the machine. Names have no prefix `odin-` here. */
const CONTAINERS = {
  gateway: ["gateway"],
  nats: ["nats"],
  monitoring: ["prometheus", "alertmanager", "loki", "grafana", "nats-exporter"],
  backend: ["nats", "publisher", "prometheus", "alertmanager", "loki", "grafana", "nats-exporter"],
} as const;

/** Name of the component that probes certificates. */
export const PROBER = "entrance";

/** Names of the probes. */
export const PROBES = { entrance: "certificate", nats: "nats" } as const;

/** File with the certificate of the CA of the stack's own NATS servers, on the monitoring VM. */
const NATS_CA = "/run/odin/files/nats-ca";

/** Folder of the log files in Alloy's container on a laptop. */
export const LOCAL_LOGS = "/var/log/odin";

/**
 * Configurations of Alloy, the log shipper: a file for each role. Alloy also exports metrics of its machine.
 * On the machine with Prometheus, it probes the TLS entrance and the certificates of NATS servers.
 */
export function alloyFiles(options: MonitoringOptions): Record<string, string> {
  const { kind } = options;
  if (kind === "local") return { "alloy/local.alloy": localLogs(options) };
  const role = kind === "service" ? "monitoring" : "backend";
  const monitoring = [journalLogs(CONTAINERS[role]), MACHINE, ...prober(options)];
  return {
    "alloy/gateway.alloy": [journalLogs(CONTAINERS.gateway), MACHINE].join("\n"),
    ...(kind === "service" && options.natsMonitoring.length > 0
      ? { "alloy/nats.alloy": [journalLogs(CONTAINERS.nats), MACHINE].join("\n") }
      : {}),
    [`alloy/${role}.alloy`]: monitoring.join("\n"),
  };
}

/**
 * Sends lines of a VM's journal: of the containers, of the start-up script, of other units whose names begin
 * with `odin-`, and of the kernel. The start-up script sets LOKI_URL, ODIN_ROLE and ODIN_INSTANCE.
 */
function journalLogs(containers: readonly string[]): string {
  const wanted = containers.map((name) => `odin-${name}`).join("|");
  return `${HEADER}loki.source.journal "machine" {
  max_age       = "1h"
  labels        = { ${LOG_LABELS.host} = sys.env("ODIN_INSTANCE"), ${LOG_LABELS.role} = sys.env("ODIN_ROLE") }
  relabel_rules = loki.relabel.journal.rules
  forward_to    = [loki.process.lines.receiver]
}

loki.relabel "journal" {
  forward_to = []

  // Lines of containers have the container's name, other lines have the name of their unit
  rule {
    source_labels = ["__journal_container_name", "__journal__systemd_unit", "__journal__transport"]
    separator     = ";"
    regex         = "(${wanted});.*|;(google-startup-scripts|odin-.+)\\\\.service;.*|;;(kernel)"
    action        = "keep"
  }
  rule {
    source_labels = ["__journal_container_name"]
    regex         = "odin-(.+)"
    target_label  = "${LOG_LABELS.container}"
  }
  rule {
    source_labels = ["__journal_priority_keyword"]
    target_label  = "${LOG_LABELS.level}"
  }
  rule {
    source_labels = ["__journal_priority_keyword"]
    regex         = "err"
    replacement   = "error"
    target_label  = "${LOG_LABELS.level}"
  }
}

${PROCESS}
loki.write "loki" {
  endpoint {
    url = sys.env("LOKI_URL") + "/loki/api/v1/push"
  }
}
`;
}

/** Sends lines of the log files of gateways on a laptop. */
function localLogs({ lokiUrl, gatewayTargets = [] }: MonitoringOptions): string {
  const [host = "localhost"] = gatewayTargets;
  return `${HEADER}local.file_match "logs" {
  path_targets = [{
    __path__ = "${LOCAL_LOGS}/*.log",
    ${LOG_LABELS.host} = "${host}",
    ${LOG_LABELS.role} = "gateway",
    ${LOG_LABELS.container} = "gateway",
  }]
}

loki.source.file "logs" {
  targets    = local.file_match.logs.targets
  forward_to = [loki.relabel.files.receiver]
}

// The file's name is no useful label
loki.relabel "files" {
  forward_to = [loki.process.lines.receiver]

  rule {
    regex  = "filename"
    action = "labeldrop"
  }
}

${PROCESS}
loki.write "loki" {
  endpoint {
    url = "${lokiUrl}/loki/api/v1/push"
  }
}
`;
}

const HEADER = `// Rendered from the sources in monitoring/. Change those, not this file.
// The labels are ${Object.values(LOG_LABELS).join(", ")}. Each label has few values. What differs in every
// line, for example the id of a connection, stays in the line.

`;

const PROCESS = `loki.process "lines" {
  forward_to = [loki.write.loki.receiver]

  // The level is read from the line: Docker distinguishes only standard output from standard error.
  // The gateway and the publisher write JSON
  stage.json {
    expressions = { severity = "severity" }
  }
  // Prometheus, Alertmanager, Loki and Grafana write key=value
  stage.match {
    selector = "{${LOG_LABELS.container}=~\\"prometheus|alertmanager|loki|grafana\\"}"

    stage.logfmt {
      mapping = { severity = "level" }
    }
  }
  // NATS and its exporter write [INF]
  stage.match {
    selector = "{${LOG_LABELS.container}=~\\"nats.*\\"}"

    stage.regex {
      expression = "\\\\[(?P<severity>[A-Z]{3})\\\\]"
    }
  }
  stage.template {
    source   = "severity"
    template = "{{ $level := ToLower .Value }}{{ if eq $level \\"warn\\" \\"wrn\\" }}warning{{ else if eq $level \\"inf\\" }}info{{ else if eq $level \\"err\\" }}error{{ else if eq $level \\"dbg\\" \\"trc\\" \\"trace\\" }}debug{{ else if eq $level \\"ftl\\" \\"fatal\\" }}critical{{ else }}{{ $level }}{{ end }}"
  }
  stage.labels {
    values = { ${LOG_LABELS.level} = "severity" }
  }
}
`;

/**
 * Metrics of the machine. Its disks are mounted below /host. /proc and /sys show the whole machine, also
 * inside of a container.
 */
const MACHINE = `prometheus.exporter.unix "machine" {
  rootfs_path    = "/host"
  set_collectors = ["conntrack", "cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "netstat", "sockstat"]

  netstat {
    fields = "^(TcpExt_(ListenDrops|ListenOverflows|SyncookiesSent|TCPReqQFullDrop|TCPReqQFullDoCookies)|Tcp_(CurrEstab|RetransSegs|OutSegs))$"
  }

  filesystem {
    mount_points_exclude = "^/(dev|etc|proc|run|sys|var)($|/)"
  }
}
`;

/**
 * Probes with a TLS handshake: the certificate must have the right name and a trusted issuer. Prometheus
 * passes the address to probe. A NATS server sends its INFO before the handshake begins.
 */
function prober({ kind, domain, natsMonitoring }: MonitoringOptions): string[] {
  const modules = [
    ...(domain === undefined ? [] : [`${PROBES.entrance}: { prober: tcp, timeout: 5s, tcp: { tls: true } }`]),
    ...(kind === "service" && natsMonitoring.length > 0
      ? [
          `${PROBES.nats}: { prober: tcp, timeout: 5s, tcp: { query_response: [{ expect: '^INFO ' }, { starttls: true }], tls_config: { ca_file: ${NATS_CA} } } }`,
        ]
      : []),
  ];
  if (modules.length === 0) return [];
  return [
    `prometheus.exporter.blackbox "${PROBER}" {
  config = "{ modules: { ${modules.join(", ")} } }"
}
`,
  ];
}
