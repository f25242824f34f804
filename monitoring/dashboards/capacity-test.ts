import { JOB, LABEL, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { QUANTILES } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { bytesSentLine, deliveriesLine } from "./machine-lines.ts";
import { GATEWAY, graph, number } from "./panels.ts";
import { publisherRows } from "./publisher-panels.ts";
import { CHOSEN, gatewayVariable } from "./variables.ts";

/** A rate over Grafana's own interval, which is short: a run lasts minutes. */
const rate = (series: string) => `rate(${series}[$__rate_interval])`;
const chosen = (metric: string, matchers = "") => `${metric}{${CHOSEN}${matchers}}`;

const CONNECTIONS = chosen(METRIC.connectionsCurrent);
const DELIVERED = `sum by (instance) (${rate(chosen(METRIC.messagesSent))})`;
const MEMORY = chosen(METRIC.memoryUsage);
/**
 * Memory of the connections without the memory of an idle gateway: the lowest memory in the time range counts
 * as idle.
 */
const CONNECTION_MEMORY = `(${MEMORY} - min_over_time(${MEMORY}[$__range])) / (${CONNECTIONS} > 0)`;
const DELIVERY_CPU = `sum by (instance) (${rate(chosen(OTHER_METRIC.cpuSeconds, `,job="${JOB.gateway}"`))}) / (${DELIVERED} > 0)`;

/** The dashboard of one capacity test. */
export function capacityTestDashboard(options: MonitoringOptions): Dashboard {
  const { memoryLimitBytes } = options;
  return {
    name: "capacityTest",
    description:
      "One run of the capacity test. Choose a time range that begins shortly before the run: the memory of connections is measured against the idle gateway.",
    from: "now-30m",
    variables: [gatewayVariable()],
    rows: [
      { title: "The run in numbers", panels: numbers() },
      { title: "Load", panels: loadPanels(options) },
      { title: "What clients see", panels: clientPanels() },
      ...publisherRows(options),
      { title: "What it costs", panels: costPanels(memoryLimitBytes) },
    ],
  };
}

function latencyQuantile(quantile: string): string {
  return `histogram_quantile(${quantile}, sum by (le) (${rate(`${METRIC.messageLatency}_bucket{${CHOSEN}}`)}))`;
}

function numbers() {
  const highest = (expr: string) => `max_over_time((${expr})[$__range:])`;
  return [
    number({
      title: "Most connections",
      description: "The highest number of open connections on one gateway.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: `max(max_over_time(${CONNECTIONS}[$__range]))` }],
    }),
    number({
      title: "Most deliveries",
      description: "Highest rate of deliveries to clients: envelopes a second.",
      unit: "mps",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: highest(`sum(${rate(chosen(METRIC.messagesSent))})`) }],
    }),
    number({
      title: "Worst latency, p99",
      description: "Highest 99th percentile of the time from publishing to the write into the socket.",
      unit: "s",
      line: { limit: "inTime", bad: "above" },
      queries: [{ expr: highest(latencyQuantile("0.99")) }],
    }),
    number({
      title: "Highest CPU",
      description: "Highest CPU use of a gateway, in percent of WS_CPU_LIMIT.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: `max(max_over_time(${chosen(METRIC.cpuUsage)}[$__range]))` }],
      decimals: 0,
    }),
    number({
      title: "Memory per connection",
      description: "Memory now minus the lowest memory in the time range, divided by the open connections.",
      unit: "bytes",
      line: { limit: "connectionMemory", bad: "above" },
      queries: [{ expr: `max(${CONNECTION_MEMORY})` }],
    }),
    number({
      title: "CPU per delivery",
      description: "CPU time of all processes divided by the number of deliveries, now.",
      unit: "s",
      line: { limit: "deliveryCpu", bad: "above" },
      queries: [{ expr: `max(${DELIVERY_CPU})` }],
    }),
  ];
}

function loadPanels(options: MonitoringOptions) {
  const { maxConnections } = options;
  return [
    graph({
      title: "Connections",
      description: "Open connections. Above the line the gateway is nearly full.",
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
      description:
        "Refused connections a second, by reason. In a capacity test a refusal means that the gateway has reached a limit.",
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
        "Messages a second that the gateway reads from the stream. The line is the default of WS_MAX_NATS_RATE: the gateway reads no faster.",
      unit: "mps",
      line: { limit: "streamRead", bad: "above" },
      queries: [{ expr: `sum by (instance) (${rate(chosen(METRIC.streamMessages))})`, legend: GATEWAY }],
    }),
    graph({
      title: "Deliveries",
      description: "Envelopes a second to clients.",
      unit: "mps",
      line: deliveriesLine(options),
      queries: [{ expr: DELIVERED, legend: GATEWAY }],
    }),
    graph({
      title: "Bytes sent",
      description: "Bytes a second to clients, by encoding.",
      unit: "Bps",
      line: bytesSentLine(options),
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
  const deliveries = `scalar(clamp_min(sum(${rate(chosen(METRIC.messagesSent))}), 1))`;
  return [
    graph({
      title: "Latency",
      description:
        "Time from publishing to the write into the socket. Above the line a message is late for the objective.",
      unit: "s",
      line: { limit: "inTime", bad: "above" },
      queries: QUANTILES.map((quantile) => ({
        expr: latencyQuantile(quantile),
        legend: `p${Number(quantile) * 100}`,
      })),
      logarithmic: true,
    }),
    graph({
      title: "Dropped deliveries",
      description: "Dropped deliveries divided by deliveries that were made, by reason.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [
        {
          expr: `(sum by (${LABEL.dropReason}) (${rate(chosen(METRIC.messagesDropped))}) or vector(0)) / ${deliveries}`,
          legend: "{{reason}}",
        },
      ],
    }),
    graph({
      title: "Throttled clients",
      description: "Share of the connections at each throttle level.",
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
      description: "CPU use of all processes together, in percent of WS_CPU_LIMIT.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: chosen(METRIC.cpuUsage), legend: GATEWAY }],
    }),
    graph({
      title: "CPU per delivery",
      description:
        "CPU time of all processes divided by the number of deliveries. A rise means that the CPU is busy with something else than deliveries.",
      unit: "s",
      line: { limit: "deliveryCpu", bad: "above" },
      queries: [{ expr: DELIVERY_CPU, legend: GATEWAY }],
    }),
    graph({
      title: "Event loop lag, p99",
      description: "How long every message waits until a process handles it.",
      unit: "s",
      line: { limit: "eventLoopLag", bad: "above" },
      queries: [
        { expr: chosen(OTHER_METRIC.eventLoopLag, `,job="${JOB.gateway}"`), legend: `p99 ${GATEWAY}` },
        { expr: chosen(OTHER_METRIC.eventLoopLagMax, `,job="${JOB.gateway}"`), legend: `max ${GATEWAY}` },
      ],
    }),
    graph({
      title: "Memory",
      description: "Resident memory of all processes. Above the line the gateway refuses new clients.",
      unit: "bytes",
      line: { limit: "memory", bad: "above", times: memoryLimitBytes },
      queries: [{ expr: MEMORY, legend: GATEWAY }],
    }),
    graph({
      title: "Memory per connection",
      description: "Memory minus the lowest memory in the time range, divided by the open connections.",
      unit: "bytes",
      line: { limit: "connectionMemory", bad: "above" },
      queries: [{ expr: CONNECTION_MEMORY, legend: GATEWAY }],
    }),
    graph({
      title: "NATS lag",
      description:
        "Messages in the stream that the gateway has not read yet. A growing number means that the gateway does not keep up.",
      unit: "short",
      line: { limit: "natsLag", bad: "above" },
      queries: [{ expr: chosen(METRIC.natsLag), legend: GATEWAY }],
    }),
  ];
}
