import { dashboardUrl } from "../dashboards/uids.ts";
import type { RuleGroup } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Alert } from "./alert.ts";
import { gatewayAlerts } from "./gateway.ts";
import { monitoringAlerts } from "./monitoring.ts";
import { natsAlerts } from "./nats.ts";
import { sloAlerts } from "./slo.ts";

/** A rule of Prometheus that raises an alert. */
export interface AlertRule {
  alert: string;
  expr: string;
  for: string;
  keep_firing_for?: string;
  labels: Record<string, string>;
  annotations: { summary: string; description: string; dashboard_url: string; runbook_url: string };
}

/** While the source fires, its consequences are not news. Alertmanager takes them as inhibition rules. */
export interface Inhibition {
  source: { alertname: string; severity?: string };
  targets: { alertnames: readonly string[]; severity?: string };
  /** Labels that both must have alike. */
  equal: readonly string[];
}

/** The alert that is always there, for a dead man's switch outside. */
export const WATCHDOG = "Watchdog";

export const INHIBITIONS: readonly Inhibition[] = [
  // Of all gateways together, and of the servers: a server that is down is the usual cause, and the source's runbook begins with it.
  {
    source: { alertname: "NatsUnreachable" },
    targets: {
      alertnames: [
        "NatsServerDown",
        "NatsSlowConsumer",
        "JetstreamNearlyFull",
        "StreamSilent",
        "LatencySloBurn",
      ],
    },
    equal: ["stack"],
  },
  // Of that gateway: others may have a trouble of their own.
  {
    source: { alertname: "NatsUnreachable" },
    targets: { alertnames: ["NatsLag", "HighLatency", "HighDropRate"] },
    equal: ["stack", "instance"],
  },
  {
    source: { alertname: "AllGatewaysDown" },
    targets: { alertnames: ["GatewayDown"] },
    equal: ["stack"],
  },
  {
    source: { alertname: "ConnectionsRejected" },
    targets: { alertnames: ["ConnectionSloBurn", "CapacityNearlyFull"] },
    equal: ["stack"],
  },
  ...["ConnectionSloBurn", "LatencySloBurn"].map((alertname) => ({
    source: { alertname, severity: "critical" },
    targets: { alertnames: [alertname], severity: "warning" },
    equal: ["stack"],
  })),
  {
    source: { alertname: "DiskNearlyFull" },
    targets: { alertnames: ["DiskFillingUp"] },
    equal: ["stack", "instance", "mountpoint"],
  },
];

/** The alerts as Prometheus takes them, with links to a dashboard and to the runbook. */
export function alertRules(options: MonitoringOptions): RuleGroup<AlertRule>[] {
  const groups = {
    "odin-gateways": gatewayAlerts(options),
    "odin-nats": natsAlerts(options),
    "odin-objectives": sloAlerts(),
    "odin-monitoring": monitoringAlerts(options),
  };
  return Object.entries(groups).map(([name, alerts]) => ({
    name,
    rules: alerts.map((alert) => ruleOf(alert, options)),
  }));
}

/** The anchor of an alert's section in the runbook: `AllGatewaysDown` is `all-gateways-down`, `## All gateways down`. */
export function runbookAnchor(alert: string): string {
  return alert.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
}

function ruleOf(
  alert: Alert,
  { grafanaUrl, runbookUrl }: Pick<MonitoringOptions, "grafanaUrl" | "runbookUrl">,
): AlertRule {
  const { name, expr, keepFiring, severity, labels, summary, description, dashboard } = alert;
  return {
    alert: name,
    expr,
    for: alert.for,
    ...(keepFiring === undefined ? {} : { keep_firing_for: keepFiring }),
    labels: { severity, ...labels },
    annotations: {
      summary,
      description,
      dashboard_url: dashboardUrl(grafanaUrl, dashboard),
      runbook_url: `${runbookUrl}#${runbookAnchor(name)}`,
    },
  };
}
