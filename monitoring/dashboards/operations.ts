import { DashboardLinkBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { DISKS, JOB, LABEL, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { eventRateName, SLOS, type SloName } from "../limits/slos.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { connectionPanels, deliveryPanels, gatewayPanels, sourcePanels } from "./gateway-panels.ts";
import { graph, list, number } from "./panels.ts";
import { fleetAnnotations, gatewayVariable } from "./variables.ts";

/** Prometheus's own series of alerts that wait or fire. */
const ALERTS = "ALERTS";
const DAY = 24 * 3600;
/** Events a second, so that a budget of which nothing is used is no division by nothing. */
const FEWEST = 1e-9;

/** What goes on now: whether users are served, what fires, and where the trouble is. */
export function operationsDashboard(options: MonitoringOptions): Dashboard {
  return {
    name: "operations",
    description: "Are users served? If not: who, since when, and by which gateway.",
    from: "now-1h",
    variables: [gatewayVariable()],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Are users served?", panels: servedPanels() },
      { title: "Alerts", panels: alertPanels(options) },
      { title: "Connections", panels: connectionPanels(options) },
      { title: "Deliveries", panels: deliveryPanels() },
      { title: "Gateways", panels: gatewayPanels() },
      { title: "Source of messages", panels: sourcePanels() },
      { title: "Monitoring itself", panels: monitoringPanels(options) },
    ],
  };
}

/** Numbers that fit on the first screen. Red is trouble for users. */
function servedPanels() {
  const refused = `${RECORD.rejections}{${LABEL.refusal}=~"${REFUSALS.ours.join("|")}"}`;
  return [
    number({
      title: "Gateways up",
      description: "Gateways that answer. With none of them nobody can connect.",
      unit: "short",
      line: { limit: "gatewaysUp", bad: "below" },
      queries: [{ expr: RECORD.gatewaysUp }],
    }),
    number({
      title: "Connections",
      description: "Open connections of all gateways. A sudden fall means clients that were cut off.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: RECORD.connections }],
    }),
    number({
      title: "Latency, p99",
      description: "From publishing to the write into the socket, 99th percentile of all deliveries.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [{ expr: `${RECORD.latency}{quantile="0.99"}` }],
    }),
    number({
      title: "Dropped deliveries",
      description: "Part of the deliveries that were left out because clients or gateways did not keep up.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [{ expr: RECORD.dropRatio }],
    }),
    number({
      title: "Gateways without NATS",
      description: "Gateways that have lost their source: their clients are connected and get nothing.",
      unit: "short",
      line: { limit: "natsUnreachable", bad: "above" },
      queries: [{ expr: RECORD.gatewaysWithoutNats }],
    }),
    number({
      title: "Room taken",
      description: "Part of the connections that the gateways may have. More gateways make more room.",
      unit: "percentunit",
      line: { limit: "capacity", bad: "above" },
      queries: [{ expr: RECORD.connectionsUsed }],
    }),
    budgetPanel("connections", "Error budget: connections"),
    budgetPanel("latency", "Error budget: latency"),
    number({
      title: "Refused because of us",
      description:
        "Connections a second that were refused since a gateway was full or could not check tokens.",
      unit: "cps",
      line: { limit: "rejections", bad: "above" },
      queries: [{ expr: `sum(${refused})` }],
    }),
    number({
      title: "Messages of the source",
      description: "Messages a second that are published. None: the publishers are silent, or NATS is.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [{ expr: `sum(${RECORD.streamMessages})` }],
    }),
    number({
      title: "Critical alerts",
      description: "Alerts that wake somebody up.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: [{ expr: firing("critical") }],
    }),
    number({
      title: "Warnings",
      description: "Alerts that wait for the morning.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: [{ expr: firing("warning") }],
    }),
  ];
}

function budgetPanel(slo: SloName, title: string) {
  const { objective, promise } = SLOS[slo];
  const allowed = Number((1 - objective).toFixed(6));
  // Events are added up, not ratios: a minute of the busiest hour counts for more than one of the night.
  const sum = (which: "errors" | "events") => `sum_over_time(${eventRateName(slo, which)}[30d])`;
  return number({
    title,
    description: `What is left of the budget of 30 days, or of as many as the disk has room for: ${promise}. Below 0 the promise is broken.`,
    unit: "percentunit",
    line: { limit: "budgetLeft", bad: "below" },
    queries: [{ expr: `1 - ${sum("errors")} / clamp_min(${sum("events")}, ${FEWEST}) / ${allowed}` }],
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
        "Each has a section in the runbook. Watchdog is always there: it shows that alerting works.",
      unit: "short",
      line: "firing",
      queries: [{ expr: `sort(${ALERTS}{alertstate="firing"})` }],
      hidden: ["Time", "Value", "__name__", "alertstate"],
      links: [new DashboardLinkBuilder("Runbook").url(runbookUrl).build()],
      width: 12,
    }),
    graph({
      title: "Alerts by severity",
      description: "How many fire. Compare with the marks of rollouts, autoscaling and restarts.",
      unit: "short",
      line: { limit: "firing", bad: "above" },
      queries: ["critical", "warning"].map((severity) => ({ expr: firing(severity), legend: severity })),
      width: 12,
      height: 6,
    }),
  ];
}

function monitoringPanels({ kind, domain }: MonitoringOptions) {
  const onDisks = `{job="${JOB.machine}",mountpoint=~"${DISKS}"}`;
  const disk = "{{instance}} {{mountpoint}}";
  const machine = [
    graph({
      title: "Disk left",
      description: "Part of the monitoring VM's disks that is free. Without room alerts end.",
      unit: "percentunit",
      line: { limit: "diskLeft", bad: "below" },
      queries: [
        {
          expr: `${OTHER_METRIC.diskAvailable}${onDisks} / ${OTHER_METRIC.diskSize}${onDisks}`,
          legend: disk,
        },
      ],
    }),
    graph({
      title: "Disk left in 24 h",
      description: `Bytes that will be free in a day if it goes on like in the last ${T.diskFull.window}. An alert only with less than ${T.diskFull.room * 100} % left.`,
      unit: "bytes",
      line: { limit: "diskFull", bad: "below" },
      queries: [
        {
          expr: `predict_linear(${OTHER_METRIC.diskAvailable}${onDisks}[${T.diskFull.window}], ${DAY})`,
          legend: disk,
        },
      ],
    }),
  ];
  const entrance = number({
    title: "Entrance",
    description: `1 while a TLS handshake with ${domain} succeeds, as a browser makes it.`,
    unit: "short",
    line: { limit: "entrance", bad: "below" },
    queries: [{ expr: `${OTHER_METRIC.probeSuccess}{job="${JOB.entrance}"}` }],
    width: 4,
    height: 8,
  });
  const certificate = number({
    title: "Certificate",
    description: `Time until the certificate of ${domain} ends. Google renews it a month before.`,
    unit: "s",
    line: { limit: "certificate", bad: "below" },
    queries: [{ expr: `${OTHER_METRIC.certificateEnd}{job="${JOB.entrance}"} - time()` }],
    width: 4,
    height: 8,
  });
  return [
    graph({
      title: "Targets of Prometheus",
      description:
        "1 while a part of the monitoring answers. What does not is missing in alerts and dashboards.",
      unit: "short",
      line: { limit: "targetDown", bad: "below" },
      queries: [{ expr: `${OTHER_METRIC.up}{job!="${JOB.gateway}"}`, legend: "{{job}} {{instance}}" }],
    }),
    graph({
      title: "Failed notifications",
      description: "Messages a second by which Alertmanager could tell nobody.",
      unit: "mps",
      line: { limit: "notifications", bad: "above" },
      queries: [
        {
          expr: `sum by (integration) (rate(${OTHER_METRIC.notificationsFailed}[${T.notifications.window}]))`,
          legend: "{{integration}}",
        },
      ],
    }),
    ...(kind === "local" ? [] : machine),
    ...(domain === undefined ? [] : [entrance, certificate]),
  ];
}
