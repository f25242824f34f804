import { DashboardLinkBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { JOB, LABEL, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { eventRateName, SLOS, type SloName } from "../limits/slos.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { fleetAnnotations } from "./annotations.ts";
import { connectionPanels } from "./connection-panels.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { deliveryPanels } from "./delivery-panels.ts";
import { busiestTokensPanel, gatewayPanels, sourcePanels } from "./gateway-panels.ts";
import { machinePanels } from "./machine-panels.ts";
import { graph, list, number } from "./panels.ts";
import { regionPanels } from "./region-panels.ts";
import { gatewayVariable } from "./variables.ts";

/** Prometheus's own time series of pending and firing alerts. */
const ALERTS = "ALERTS";
/** Lowest sum of events, so that no division by zero happens. */
const MIN_EVENTS = 1e-9;

/**
 * The dashboard of the current state: whether users are served, which alerts fire, and where the problem is.
 */
export function operationsDashboard(options: MonitoringOptions): Dashboard {
  return {
    name: "operations",
    description: "Are users served? If not: which users, since when, and on which gateway?",
    from: "now-1h",
    variables: [gatewayVariable()],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Are users served?", panels: servedPanels() },
      { title: "Alerts", panels: alertPanels(options) },
      { title: "Connections", panels: connectionPanels(options) },
      ...(options.regions === undefined ? [] : [{ title: "Regions", panels: regionPanels() }]),
      { title: "Deliveries", panels: deliveryPanels(options) },
      { title: "Gateways", panels: gatewayPanels() },
      { title: "Messages from NATS", panels: [...sourcePanels(), busiestTokensPanel()] },
      ...(options.kind === "local" ? [] : [{ title: "Machines", panels: machinePanels() }]),
      { title: "Monitoring itself", panels: monitoringPanels(options) },
    ],
  };
}

/** Numbers that fit on the first screen. A red number means a problem for users. */
function servedPanels() {
  const refused = `${RECORD.rejections}{${LABEL.refusal}=~"${REFUSALS.ours.join("|")}"}`;
  return [
    number({
      title: "Gateways up",
      description: "Gateways that answer Prometheus. At 0, no client can connect.",
      unit: "short",
      line: { limit: "gatewaysUp", bad: "below" },
      queries: [{ expr: RECORD.gatewaysUp }],
    }),
    number({
      title: "Connections",
      description: "Open connections of all gateways. A sudden fall means that clients were disconnected.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: RECORD.connections }],
    }),
    number({
      title: "Latency, p99",
      description: "Time from publishing to the write into the socket, 99th percentile of all deliveries.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [{ expr: `${RECORD.latency}{quantile="0.99"}` }],
    }),
    number({
      title: "Dropped deliveries",
      description: "Share of the deliveries that are dropped because clients or gateways do not keep up.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [{ expr: RECORD.dropRatio }],
    }),
    number({
      title: "Gateways without NATS",
      description: "Gateways that cannot reach NATS. Their clients stay connected but receive no messages.",
      unit: "short",
      line: { limit: "natsUnreachable", bad: "above" },
      queries: [{ expr: RECORD.gatewaysWithoutNats }],
    }),
    number({
      title: "Capacity used",
      description: "Open connections divided by the connections that the running gateways accept.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: RECORD.connectionsUsed }],
    }),
    budgetPanel("connections", "Error budget: connections"),
    budgetPanel("latency", "Error budget: latency"),
    number({
      title: "Refused: gateways at fault",
      description:
        "Valid clients refused a second, because a gateway is full, is short of CPU or memory, or cannot check tokens.",
      unit: "cps",
      line: { limit: "rejections", bad: "above" },
      queries: [{ expr: `sum(${refused})` }],
    }),
    number({
      title: "Messages read",
      description:
        "Messages a second that gateways read from the stream. 0: nobody publishes, or NATS is unreachable.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [{ expr: `sum(${RECORD.streamMessages})` }],
    }),
    number({
      title: "Critical alerts",
      description: "Firing alerts that wake somebody up.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: [{ expr: firing("critical") }],
    }),
    number({
      title: "Warnings",
      description: "Firing alerts that can wait until the morning.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: [{ expr: firing("warning") }],
    }),
  ];
}

function budgetPanel(slo: SloName, title: string) {
  const { objective, promise } = SLOS[slo];
  const allowed = Number((1 - objective).toFixed(6));
  // A sum of events, not of ratios: a minute of the busiest hour counts more than a minute at night.
  const sum = (which: "errors" | "events") => `sum_over_time(${eventRateName(slo, which)}[30d])`;
  return number({
    title,
    description: `Share of the error budget that is left. Objective: ${promise}, over the last 30 days or as far back as there are metrics. Below 0 the objective is missed.`,
    unit: "percentunit",
    line: { limit: "budgetLeft", bad: "below" },
    queries: [{ expr: `1 - ${sum("errors")} / clamp_min(${sum("events")}, ${MIN_EVENTS}) / ${allowed}` }],
  });
}

function firing(severity: string): string {
  return `count(${ALERTS}{alertstate="firing",severity="${severity}"}) or vector(0)`;
}

function alertPanels({ runbookUrl }: MonitoringOptions) {
  return [
    list({
      title: "Firing alerts",
      description:
        "Each alert has a section in the runbook. Watchdog always fires: it shows that alerting works.",
      unit: "short",
      line: "firing",
      queries: [{ expr: `sort(${ALERTS}{alertstate="firing"})` }],
      hidden: ["Time", "Value", "__name__", "alertstate"],
      links: [new DashboardLinkBuilder("Runbook").url(runbookUrl).build()],
      width: 12,
    }),
    graph({
      title: "Alerts by severity",
      description:
        "Number of firing alerts. Compare with the marks of rollouts, autoscaling, drains and restarts.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: ["critical", "warning"].map((severity) => ({ expr: firing(severity), legend: severity })),
      width: 12,
      height: 6,
    }),
  ];
}

function monitoringPanels({ domain }: MonitoringOptions) {
  const entrance = number({
    title: "TLS entrance",
    description: `1 while a TLS handshake with ${domain} succeeds. The probe checks the certificate like a browser.`,
    unit: "short",
    line: { limit: "entrance", bad: "below" },
    queries: [{ expr: `${OTHER_METRIC.probeSuccess}{job="${JOB.entrance}"}` }],
    width: 4,
    height: 8,
  });
  const certificate = number({
    title: "Certificate",
    description: `Time until the certificate of ${domain} expires. Google renews the certificate a month before.`,
    unit: "s",
    line: { limit: "certificate", bad: "below" },
    queries: [{ expr: `${OTHER_METRIC.certificateEnd}{job="${JOB.entrance}"} - time()` }],
    width: 4,
    height: 8,
  });
  return [
    graph({
      title: "Other targets of Prometheus",
      description:
        "1 while Prometheus can scrape a part of the monitoring. At 0, alerts and dashboards that need its metrics have no data.",
      unit: "short",
      line: { limit: "targetDown", bad: "below" },
      queries: [{ expr: `${OTHER_METRIC.up}{job!="${JOB.gateway}"}`, legend: "{{job}} {{instance}}" }],
    }),
    graph({
      title: "Failed notifications",
      description: "Notifications a second that Alertmanager could not send, by kind of receiver.",
      unit: "mps",
      line: { limit: "notifications", bad: "above" },
      queries: [
        {
          expr: `sum by (integration) (rate(${OTHER_METRIC.notificationsFailed}[${T.notifications.window}]))`,
          legend: "{{integration}}",
        },
      ],
    }),
    ...(domain === undefined ? [] : [entrance, certificate]),
  ];
}
