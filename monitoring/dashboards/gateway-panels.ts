import { JOB, LABEL, METRIC, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { QUANTILES, RECORD } from "../limits/recording-rules.ts";
import { errorRatioName, SLO_WINDOWS, type SloName } from "../limits/slos.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { GATEWAY, graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

const RATE = T.dropRate.window;

/** One line for each of the chosen gateways. */
function each(metric: string, matchers = "") {
  return { expr: `${metric}{${CHOSEN}${matchers}}`, legend: GATEWAY };
}

/** Who is connected, who comes and goes, who is refused. */
export function connectionPanels({ maxConnections }: MonitoringOptions) {
  const refused = (reasons: readonly string[]) =>
    `${RECORD.rejections}{${LABEL.refusal}=~"${reasons.join("|")}"}`;
  return [
    graph({
      title: "Connections, in sum",
      description: "Open connections of all gateways, and how many the gateways that answer may have.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [
        { expr: RECORD.connections, legend: "open" },
        { expr: RECORD.connectionsLimit, legend: "limit" },
      ],
    }),
    graph({
      title: "Connections of each gateway",
      description:
        "One far above the others: many clients behind one address. At its limit a gateway refuses clients.",
      unit: "short",
      line: { limit: "capacity", bad: "above", times: maxConnections },
      queries: [each(METRIC.connectionsCurrent)],
    }),
    graph({
      title: "New connections of each gateway",
      description: "Accepted connections a second. A peak: clients that come back after they were cut off.",
      unit: "cps",
      line: { limit: "connects", bad: "above" },
      queries: [each(RECORD.instanceConnects)],
    }),
    graph({
      title: "Refused because of us",
      description: "Connections a second, by reason: the gateway is full, or cannot check tokens.",
      unit: "cps",
      line: { limit: "rejections", bad: "above" },
      queries: [{ expr: refused(REFUSALS.ours), legend: "{{reason}}" }],
    }),
    graph({
      title: "Refused for what clients do",
      description:
        "Part of all attempts, by reason: wrong tokens, origins or paths, or too many. While a gateway drains it sends clients to the next one.",
      unit: "percentunit",
      line: { limit: "clientRejections", bad: "above" },
      queries: [
        {
          expr: `${refused([...REFUSALS.client, ...REFUSALS.planned])} / scalar(clamp_min(${RECORD.connects} + sum(${RECORD.rejections}), 0.001))`,
          legend: "{{reason}}",
        },
      ],
    }),
    graph({
      title: "Ended connections by code",
      description:
        "Connections a second that ended, by WebSocket close code. 1012 is a drain, 1008 a client that was too slow or sent rubbish.",
      unit: "cps",
      line: { limit: "connects", bad: "above" },
      queries: [
        {
          expr: `sum by (${LABEL.closeCode}) (rate(${METRIC.disconnects}{${CHOSEN}}[$__rate_interval]))`,
          legend: "{{code}}",
        },
      ],
      stacked: true,
    }),
    errorPanel("connections", "Refused by the objective", "connectionErrors", 24),
  ];
}

/** What is sent, how late, and what is not. */
export function deliveryPanels() {
  const broadcast = `sum by (le) (rate(${METRIC.broadcastDuration}_bucket{${CHOSEN}}[${RATE}]))`;
  const offered = `scalar(clamp_min(${RECORD.deliveries} + sum(${RECORD.dropsByReason}), 1))`;
  return [
    graph({
      title: "Deliveries, in sum",
      description: "Envelopes a second to clients, by event. The line is what one gateway can send.",
      unit: "mps",
      line: { limit: "deliveries", bad: "above" },
      queries: [{ expr: RECORD.deliveriesByEvent, legend: "{{event}}" }],
      stacked: true,
    }),
    graph({
      title: "Deliveries of each gateway",
      description:
        "Envelopes a second. They cost CPU: the line is where a gateway of two cores is short of it.",
      unit: "mps",
      line: { limit: "deliveries", bad: "above" },
      queries: [each(RECORD.instanceDeliveries)],
    }),
    graph({
      title: "Bytes of each gateway",
      description: "Bytes a second to clients, after compression.",
      unit: "Bps",
      line: { limit: "bytesSent", bad: "above" },
      queries: [each(RECORD.instanceBytes)],
    }),
    graph({
      title: "Latency, all gateways",
      description: "From publishing to the write into the socket: quantiles of all deliveries.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: QUANTILES.map((quantile) => ({
        expr: `${RECORD.latency}{quantile="${quantile}"}`,
        legend: `p${Number(quantile) * 100}`,
      })),
      logarithmic: true,
    }),
    graph({
      title: "Latency of each gateway, p99",
      description:
        "One alone is short of CPU or far from NATS; all together: NATS or the publishers' clocks.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [each(RECORD.instanceLatency, ',quantile="0.99"')],
      logarithmic: true,
    }),
    graph({
      title: "Time of a broadcast",
      description:
        "How long it takes to write one message to all its subscribers. The line is what the objective calls in time.",
      unit: "s",
      line: { limit: "inTime", bad: "above" },
      queries: QUANTILES.map((quantile) => ({
        expr: `histogram_quantile(${quantile}, ${broadcast})`,
        legend: `p${Number(quantile) * 100}`,
      })),
      logarithmic: true,
    }),
    graph({
      title: "Dropped deliveries by reason",
      description:
        "Part of all deliveries. throttled: the client reads too slowly; shed: the gateway has more than it may send.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [{ expr: `${RECORD.dropsByReason} / ${offered}`, legend: "{{reason}}" }],
    }),
    graph({
      title: "Dropped deliveries of each gateway",
      description: "Part of a gateway's deliveries that were left out.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [each(RECORD.instanceDropRatio)],
    }),
    graph({
      title: "Throttled clients",
      description:
        "Part of the connections at each throttle level: the higher, the fewer messages pass. Beyond the last they are closed.",
      unit: "percentunit",
      line: { limit: "throttled", bad: "above" },
      queries: [
        throttled(METRIC.throttledLight, "1, light"),
        throttled(METRIC.throttledMedium, "2, medium"),
        throttled(METRIC.throttledHeavy, "3, heavy"),
      ],
      stacked: true,
    }),
    graph({
      title: "Gaps that could not be filled",
      description:
        "Part of the requests for missed messages that came too late: the messages had left the buffer or the history.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [
        { expr: partOf(METRIC.replays, `${LABEL.replayResult}="partial"`), legend: "replay" },
        { expr: partOf(METRIC.resumes, `${LABEL.resumeResult}="lost"`), legend: "resume" },
      ],
    }),
    errorPanel("latency", "Late by the objective", "latencyErrors", 16),
  ];
}

/** How the gateways are: they themselves, not what they do. */
export function gatewayPanels() {
  return [
    graph({
      title: "Gateways",
      description: "How many there are, and how many answer.",
      unit: "short",
      line: { limit: "gatewaysUp", bad: "below" },
      queries: [
        { expr: RECORD.gateways, legend: "known" },
        { expr: RECORD.gatewaysUp, legend: "up" },
      ],
    }),
    graph({
      title: "CPU",
      description:
        "Percent of WS_CPU_LIMIT. From 75 % on a gateway refuses clients, from 80 % on it reads slower.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [each(METRIC.cpuUsage)],
    }),
    graph({
      title: "Memory",
      description: "Part of WS_MEMORY_LIMIT. At the line a gateway refuses clients.",
      unit: "percentunit",
      line: { limit: "memory", bad: "above" },
      queries: [each(RECORD.instanceMemory)],
    }),
    graph({
      title: "Event loop lag, p99",
      description: "What every message waits before the process gets to it.",
      unit: "s",
      line: { limit: "eventLoopLag", bad: "above" },
      queries: [each(OTHER_METRIC.eventLoopLag, `,job="${JOB.gateway}"`)],
    }),
    graph({
      title: "Restarts",
      description: `Starts of a gateway in ${T.restarts.window} without a new VM. Each time its clients are cut off.`,
      unit: "short",
      line: { limit: "restarts", bad: "above" },
      queries: [
        {
          expr: `resets(${OTHER_METRIC.cpuSeconds}{job="${JOB.gateway}",${CHOSEN}}[${T.restarts.window}])`,
          legend: GATEWAY,
        },
      ],
    }),
    graph({
      title: "Draining",
      description: `1 while a gateway sends its clients away. It should end within ${T.draining.for}.`,
      unit: "short",
      line: { limit: "draining", bad: "above" },
      queries: [each(METRIC.draining)],
    }),
  ];
}

/** NATS as the gateways see it. */
export function sourcePanels() {
  return [
    graph({
      title: "Messages read, by event",
      description:
        "Messages a second of the source; every gateway reads all of them. At 0 nothing is published.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [{ expr: RECORD.streamMessages, legend: "{{event}}" }],
      stacked: true,
    }),
    graph({
      title: "Lag of each gateway",
      description: "Messages in the stream that a gateway has not read yet.",
      unit: "short",
      line: { limit: "natsLag", bad: "above" },
      queries: [each(METRIC.natsLag)],
    }),
    graph({
      title: "Reading slowly on purpose",
      description: "1 while a gateway reads the stream slower because it is short of CPU.",
      unit: "short",
      line: { limit: "natsPaused", bad: "above" },
      queries: [each(METRIC.natsPaused)],
    }),
  ];
}

function errorPanel(slo: SloName, title: string, limit: "connectionErrors" | "latencyErrors", width: number) {
  return graph({
    title,
    description:
      "Part of bad events over windows from short to long. Above the line the month's budget does not last.",
    unit: "percentunit",
    line: { limit, bad: "above" },
    queries: SLO_WINDOWS.map((window) => ({ expr: errorRatioName(slo, window), legend: window })),
    width,
  });
}

function throttled(metric: string, level: string) {
  return { expr: `sum(${metric}) / clamp_min(sum(${METRIC.connectionsCurrent}), 1)`, legend: level };
}

function partOf(metric: string, matcher: string): string {
  return `sum(rate(${metric}{${matcher}}[${RATE}])) / clamp_min(sum(rate(${metric}[${RATE}])), 0.000001)`;
}
