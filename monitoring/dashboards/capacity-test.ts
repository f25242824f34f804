import { JOB, LABEL, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { QUANTILES } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { GATEWAY, graph, number } from "./panels.ts";
import { CHOSEN, gatewayVariable } from "./variables.ts";

/** Of what Grafana counts as the step: a run lasts minutes. */
const rate = (series: string) => `rate(${series}[$__rate_interval])`;
const chosen = (metric: string, matchers = "") => `${metric}{${CHOSEN}${matchers}}`;

const CONNECTIONS = chosen(METRIC.connectionsCurrent);
const DELIVERED = `sum by (instance) (${rate(chosen(METRIC.messagesSent))})`;
const MEMORY = chosen(METRIC.memoryUsage);
/** What the connections cost, not the empty gateway: choose a time that begins before the run. */
const CONNECTION_MEMORY = `(${MEMORY} - min_over_time(${MEMORY}[$__range])) / (${CONNECTIONS} > 0)`;
const DELIVERY_CPU = `sum by (instance) (${rate(chosen(OTHER_METRIC.cpuSeconds, `,job="${JOB.gateway}"`))}) / (${DELIVERED} > 0)`;

/** One run at a glance: choose the time of the run. */
export function capacityTestDashboard({ maxConnections, memoryLimitBytes }: MonitoringOptions): Dashboard {
  return {
    name: "capacityTest",
    description:
      "One run at a glance. Choose its time, from shortly before its begin: memory is badEventsFor from there.",
    from: "now-30m",
    variables: [gatewayVariable()],
    rows: [
      { title: "The run in numbers", panels: numbers() },
      { title: "Load", panels: loadPanels(maxConnections) },
      { title: "What clients see", panels: clientPanels() },
      { title: "What it costs", panels: costPanels(memoryLimitBytes) },
    ],
  };
}

function quantileOf(quantile: string): string {
  return `histogram_quantile(${quantile}, sum by (le) (${rate(`${METRIC.messageLatency}_bucket{${CHOSEN}}`)}))`;
}

function numbers() {
  const highest = (expr: string) => `max_over_time((${expr})[$__range:])`;
  return [
    number({
      title: "Most connections",
      description: "The most at once on one gateway.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: `max(max_over_time(${CONNECTIONS}[$__range]))` }],
    }),
    number({
      title: "Most deliveries",
      description: "Envelopes a second in the best minute.",
      unit: "mps",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: highest(`sum(${rate(chosen(METRIC.messagesSent))})`) }],
    }),
    number({
      title: "Worst latency, p99",
      description: "99th percentile in the worst minute, from publishing to the write into the socket.",
      unit: "s",
      line: { limit: "inTime", bad: "above" },
      queries: [{ expr: highest(quantileOf("0.99")) }],
    }),
    number({
      title: "Highest CPU",
      description: "Percent of WS_CPU_LIMIT.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: `max(max_over_time(${chosen(METRIC.cpuUsage)}[$__range]))` }],
      decimals: 0,
    }),
    number({
      title: "Memory of a connection",
      description: "Memory above the least of the time on the screen, by open connection, now.",
      unit: "bytes",
      line: { limit: "connectionMemory", bad: "above" },
      queries: [{ expr: `max(${CONNECTION_MEMORY})` }],
    }),
    number({
      title: "CPU of a delivery",
      description: "CPU of all processes by deliveries, now.",
      unit: "s",
      line: { limit: "deliveryCpu", bad: "above" },
      queries: [{ expr: `max(${DELIVERY_CPU})` }],
    }),
  ];
}

function loadPanels(maxConnections: number) {
  return [
    graph({
      title: "Connections",
      description: "Open connections. The line is where the gateway counts as nearly full.",
      unit: "short",
      line: { limit: "capacity", bad: "above", times: maxConnections },
      queries: [{ expr: CONNECTIONS, legend: GATEWAY }],
    }),
    graph({
      title: "New connections",
      description: "Accepted connections a second: how fast the run ramps up.",
      unit: "cps",
      line: { limit: "connects", bad: "above" },
      queries: [{ expr: `sum by (instance) (${rate(chosen(METRIC.connectionsTotal))})`, legend: GATEWAY }],
    }),
    graph({
      title: "Refused connections",
      description: "Connections a second, by reason. In a run they mean that a limit was reached.",
      unit: "cps",
      line: { limit: "rejections", bad: "above" },
      queries: [
        {
          expr: `sum by (${LABEL.refusal}) (${rate(chosen(METRIC.connectionsRejected))})`,
          legend: "{{reason}}",
        },
      ],
    }),
    graph({
      title: "Messages read",
      description:
        "Messages a second of the publisher that the gateway reads. The line is the limit that it keeps.",
      unit: "mps",
      line: { limit: "streamRead", bad: "above" },
      queries: [{ expr: `sum by (instance) (${rate(chosen(METRIC.streamMessages))})`, legend: GATEWAY }],
    }),
    graph({
      title: "Deliveries",
      description: "Envelopes a second to clients.",
      unit: "mps",
      line: { limit: "deliveries", bad: "above" },
      queries: [{ expr: DELIVERED, legend: GATEWAY }],
    }),
    graph({
      title: "Bytes",
      description: "Bytes a second to clients, plain and compressed.",
      unit: "Bps",
      line: { limit: "bytesSent", bad: "above" },
      queries: [
        {
          expr: `sum by (${LABEL.encoding}) (${rate(chosen(METRIC.bytesSent))})`,
          legend: "{{encoding}}",
        },
      ],
      stacked: true,
    }),
  ];
}

function clientPanels() {
  const offered = `scalar(clamp_min(sum(${rate(chosen(METRIC.messagesSent))}), 1))`;
  return [
    graph({
      title: "Latency",
      description:
        "From publishing to the write into the socket. The line is what the objective calls in time.",
      unit: "s",
      line: { limit: "inTime", bad: "above" },
      queries: QUANTILES.map((quantile) => ({
        expr: quantileOf(quantile),
        legend: `p${Number(quantile) * 100}`,
      })),
      logarithmic: true,
    }),
    graph({
      title: "Dropped deliveries",
      description: "By deliveries that were made, by reason.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [
        {
          expr: `(sum by (${LABEL.dropReason}) (${rate(chosen(METRIC.messagesDropped))}) or vector(0)) / ${offered}`,
          legend: "{{reason}}",
        },
      ],
    }),
    graph({
      title: "Throttled clients",
      description: "Part of the connections at any throttle level.",
      unit: "percentunit",
      line: { limit: "throttled", bad: "above" },
      queries: [METRIC.throttledLight, METRIC.throttledMedium, METRIC.throttledHeavy].map(
        (metric, index) => ({
          expr: `sum(${chosen(metric)}) / clamp_min(sum(${CONNECTIONS}), 1)`,
          legend: `level ${index + 1}`,
        }),
      ),
      stacked: true,
    }),
  ];
}

function costPanels(memoryLimitBytes: number) {
  return [
    graph({
      title: "CPU",
      description: "Percent of WS_CPU_LIMIT, of all processes together.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: chosen(METRIC.cpuUsage), legend: GATEWAY }],
    }),
    graph({
      title: "CPU of a delivery",
      description:
        "CPU of all processes by deliveries. It rises where something else than deliveries takes time.",
      unit: "s",
      line: { limit: "deliveryCpu", bad: "above" },
      queries: [{ expr: DELIVERY_CPU, legend: GATEWAY }],
    }),
    graph({
      title: "Event loop lag, p99",
      description: "What every message waits before a process gets to it.",
      unit: "s",
      line: { limit: "eventLoopLag", bad: "above" },
      queries: [
        { expr: chosen(OTHER_METRIC.eventLoopLag, `,job="${JOB.gateway}"`), legend: `p99 ${GATEWAY}` },
        { expr: chosen(OTHER_METRIC.eventLoopLagMax, `,job="${JOB.gateway}"`), legend: `most ${GATEWAY}` },
      ],
    }),
    graph({
      title: "Memory",
      description: "Resident memory of all processes. At the line the gateway refuses clients.",
      unit: "bytes",
      line: { limit: "memory", bad: "above", times: memoryLimitBytes },
      queries: [{ expr: MEMORY, legend: GATEWAY }],
    }),
    graph({
      title: "Memory of a connection",
      description: "Memory above the least of the time on the screen, by open connection.",
      unit: "bytes",
      line: { limit: "connectionMemory", bad: "above" },
      queries: [{ expr: CONNECTION_MEMORY, legend: GATEWAY }],
    }),
    graph({
      title: "NATS lag",
      description: "Messages in the stream that the gateway has not read yet: it does not keep up.",
      unit: "short",
      line: { limit: "natsLag", bad: "above" },
      queries: [{ expr: chosen(METRIC.natsLag), legend: GATEWAY }],
    }),
  ];
}
