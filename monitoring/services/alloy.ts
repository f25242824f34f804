import { LOG_LABELS } from "../limits/log-labels.ts";
import type { MonitoringOptions } from "../options.ts";

/** Containers whose lines are sent, by the machine's role: names without the prefix `odin-`. */
const CONTAINERS = {
  gateway: ["gateway"],
  monitoring: ["prometheus", "alertmanager", "loki", "grafana", "nats-exporter"],
  backend: ["nats", "publisher", "prometheus", "alertmanager", "loki", "grafana", "nats-exporter"],
} as const;

/** Folder of a laptop's log files, as Alloy's container sees it. */
export const LOCAL_LOGS = "/var/log/odin";

/** Alloy, which sends logs to Loki, and beside Prometheus has the node exporter and the prober in it. A file for each role. */
export function alloyFiles(options: MonitoringOptions): Record<string, string> {
  const { kind, domain } = options;
  if (kind === "local") return { "alloy/local.alloy": localLogs(options) };
  const role = kind === "service" ? "monitoring" : "backend";
  const watcher = [journalLogs(CONTAINERS[role]), MACHINE, ...(domain === undefined ? [] : [PROBER])];
  return {
    "alloy/gateway.alloy": journalLogs(CONTAINERS.gateway),
    [`alloy/${role}.alloy`]: watcher.join("\n"),
  };
}

/**
 * The journal of a VM. Its start-up script sets LOKI_URL, ODIN_ROLE and ODIN_INSTANCE. The start-up script's lines, our other units'
 * and the kernel's go with those of the containers.
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

  // docker writes the container's name; others have the name of their unit
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

/** Files into which a laptop's gateways log, one each. */
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

// One value for each file: the folder is the same for all, and tells nothing
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

const HEADER = `// Rendered: npm run render. Change monitoring/*.ts instead.
// Labels are few and of few values: ${Object.values(LOG_LABELS).join(", ")}. What is different in every line, a connection for
// example, stays in the line.

`;

const PROCESS = `loki.process "lines" {
  forward_to = [loki.write.loki.receiver]

  // How serious a line is, it says itself; docker only knows out from err.
  // The gateway and the publisher write JSON
  stage.json {
    expressions = { severity = "severity" }
  }
  // Prometheus, Alertmanager, Loki and Grafana: key=value
  stage.match {
    selector = "{${LOG_LABELS.container}=~\\"prometheus|alertmanager|loki|grafana\\"}"

    stage.logfmt {
      mapping = { severity = "level" }
    }
  }
  // NATS and its exporter: [INF]
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

/** The machine's disks are mounted below /host; everything else it reads in /proc and /sys, which show the machine in a container too. */
const MACHINE = `prometheus.exporter.unix "machine" {
  rootfs_path    = "/host"
  set_collectors = ["cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev"]

  filesystem {
    mount_points_exclude = "^/(dev|etc|proc|run|sys|var)($|/)"
  }
}
`;

/** A TLS handshake as a browser makes it: with a name that matches and an issuer that is trusted. Prometheus says whom to probe. */
const PROBER = `prometheus.exporter.blackbox "entrance" {
  config = "{ modules: { certificate: { prober: tcp, timeout: 5s, tcp: { tls: true } } } }"
}
`;
