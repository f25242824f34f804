import { dashboardUrl } from "../dashboards/uids.ts";
import type { RuleGroup } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Alert } from "./alert.ts";
import { gatewayAlerts } from "./gateway.ts";
import { monitoringAlerts } from "./monitoring.ts";
import { natsAlerts } from "./nats.ts";
import { publisherAlerts } from "./publisher.ts";
import { regionAlerts } from "./regions.ts";
import { sloAlerts } from "./slo.ts";

/** An alerting rule in Prometheus's format. */
export interface AlertRule {
  alert: string;
  expr: string;
  for: string;
  keep_firing_for?: string;
  labels: Record<string, string>;
  annotations: { summary: string; description: string; dashboard_url: string; runbook_url: string };
}

/**
 * All alerts of a deployment as groups of Prometheus's rules, with links to a dashboard and to the runbook.
 */
export function alertRules(options: MonitoringOptions): RuleGroup<AlertRule>[] {
  const groups = {
    "odin-gateways": gatewayAlerts(options),
    "odin-nats": natsAlerts(options),
    "odin-publisher": publisherAlerts(options),
    ...(options.regions === undefined ? {} : { "odin-regions": regionAlerts(options) }),
    "odin-objectives": sloAlerts(),
    "odin-monitoring": monitoringAlerts(options),
  };
  return Object.entries(groups)
    .filter(([, alerts]) => alerts.length > 0)
    .map(([name, alerts]) => ({ name, rules: alerts.map((alert) => ruleOf(alert, options)) }));
}

/**
 * Anchor of an alert's section in the runbook: `AllGatewaysDown` becomes `all-gateways-down`, as of `### All
 * gateways down`.
 */
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
