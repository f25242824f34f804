import { JOB, LABEL, METRIC, OTHER_METRIC, REFUSALS } from "../limits/metrics.ts";
import { QUANTILES, RECORD } from "../limits/recording-rules.ts";
import { errorRatioName, SLO_WINDOWS, type SloName } from "../limits/slos.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { bytesSentLine, coresOf, deliveriesLine } from "./machine-lines.ts";
import { GATEWAY, graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

const RATE = T.dropRate.window;

/** A query with one series for each of the chosen gateways. */
function perGateway(metric: string, matchers = "") {
  return { expr: `${metric}{${CHOSEN}${matchers}}`, legend: GATEWAY };
}

/** Panels on open, new, closed and refused connections. */
export function connectionPanels({ maxConnections }: MonitoringOptions) {
  const refused = (reasons: readonly string[]) =>
    `${RECORD.rejections}{${LABEL.refusal}=~"${reasons.join("|")}"}`;
  return [
    graph({
      title: "Connections, all gateways",
      description:
        "Open connections of all gateways, and the number of connections that the running gateways accept.",
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
        "Open connections. A gateway far above the others: many clients share one IP address, and the load balancer sends them to the same gateway. A full gateway refuses clients.",
      unit: "short",
      line: { limit: "capacity", bad: "above", times: maxConnections },
      queries: [perGateway(METRIC.connectionsCurrent)],
    }),
    graph({
      title: "New connections of each gateway",
      description: "Accepted connections a second. A peak: clients reconnect after they were disconnected.",
      unit: "cps",
      line: { limit: "connects", bad: "above" },
      queries: [perGateway(RECORD.instanceConnects)],
    }),
    graph({
      title: "Refused: gateways at fault",
      description:
        "Valid clients refused a second, by reason: a gateway is full, is short of CPU or memory, or cannot check tokens (keys).",
      unit: "cps",
      line: { limit: "rejections", bad: "above" },
      queries: [{ expr: refused(REFUSALS.ours), legend: "{{reason}}" }],
    }),
    graph({
      title: "Refused: clients at fault, and drains",
      description:
        "Share of all connection attempts, by reason: wrong token, origin or path, or too many connections. The reason draining is normal in a rollout: the client reconnects to another gateway.",
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
      title: "Closed connections by code",
      description:
        "Connections closed a second, by WebSocket close code. 1012: the gateway drains. 1008: the client was too slow or broke the protocol.",
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
    graph({
      title: "Duration of connections",
      description:
        "How long connections that closed were open: quantiles. Short connections mean that clients cannot stay connected, or that pages are short.",
      unit: "s",
      line: "behaviour",
      queries: quantiles(METRIC.connectionDuration),
      logarithmic: true,
    }),
    graph({
      title: "Subscriptions of a client",
      description:
        "Channels and patterns of one client: quantiles. A client may have at most WS_MAX_CHANNELS.",
      unit: "short",
      line: "behaviour",
      queries: quantiles(METRIC.subscriptionsPerClient),
    }),
    errorPanel("connections", "Refused connections, objective", "connectionErrors", 24),
  ];
}

/** Panels on deliveries: their number, their latency, and dropped deliveries. */
export function deliveryPanels(options: MonitoringOptions) {
  const broadcast = `sum by (le) (rate(${METRIC.broadcastDuration}_bucket{${CHOSEN}}[${RATE}]))`;
  const attempted = `scalar(clamp_min(${RECORD.deliveries} + sum(${RECORD.dropsByReason}), 1))`;
  return [
    graph({
      title: "Deliveries, all gateways",
      description: "Envelopes a second to clients, by event. The line is the capacity of one gateway.",
      unit: "mps",
      line: deliveriesLine(options),
      queries: [{ expr: RECORD.deliveriesByEvent, legend: "{{event}}" }],
      stacked: true,
    }),
    graph({
      title: "Deliveries of each gateway",
      description: `Envelopes a second to clients. Above the line a gateway with ${coresOf(options)} is short of CPU.`,
      unit: "mps",
      line: deliveriesLine(options),
      queries: [perGateway(RECORD.instanceDeliveries)],
    }),
    graph({
      title: "Bytes sent by each gateway",
      description: "Bytes a second to clients, after compression.",
      unit: "Bps",
      line: bytesSentLine(options),
      queries: [perGateway(RECORD.instanceBytes)],
    }),
    graph({
      title: "Messages in one write",
      description:
        "Deliveries divided by writes to sockets. A write costs far more CPU than the messages in it, and its packets have headers. With WS_WRITE_DELAY_MS messages wait for others, and the value rises.",
      unit: "short",
      line: { limit: "messagesInWrite", bad: "below" },
      queries: [
        {
          expr: `${RECORD.instanceDeliveries}{${CHOSEN}} / (${RECORD.instanceWrites}{${CHOSEN}} > 0)`,
          legend: GATEWAY,
        },
      ],
    }),
    graph({
      title: "Left out, by event",
      description:
        "Messages a second that were replaced by a newer one of their channel before they were sent, because clients asked for a max_rate, or read slowly with the policy conflate. The line: what one gateway can deliver.",
      unit: "short",
      line: deliveriesLine(options),
      queries: [
        {
          expr: `sum by (event) (rate(${METRIC.conflated}{${CHOSEN}}[${RATE}]))`,
          legend: "{{event}}",
        },
      ],
    }),
    graph({
      title: "Latency, all gateways",
      description: "Time from publishing to the write into the socket: quantiles of all deliveries.",
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
        "Time from publishing to the write into the socket. One gateway is high: it is short of CPU or far from NATS. All gateways are high: NATS is slow or the publishers' clocks are wrong.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [perGateway(RECORD.instanceLatency, ',quantile="0.99"')],
      logarithmic: true,
    }),
    graph({
      title: "Duration of a broadcast",
      description:
        "Time to write one message to all its subscribers. Above the line the last deliveries are late for the objective.",
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
        "Share of all deliveries. throttled: the client reads too slowly. shed: the stream is faster than WS_MAX_BROADCAST_RATE.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [{ expr: `${RECORD.dropsByReason} / ${attempted}`, legend: "{{reason}}" }],
    }),
    graph({
      title: "Dropped deliveries of each gateway",
      description: "Share of a gateway's deliveries that are dropped.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [perGateway(RECORD.instanceDropRatio)],
    }),
    graph({
      title: "Throttled clients",
      description:
        "Share of the connections at each throttle level. A client at a higher level receives fewer messages. A client that is too slow at level 3 is disconnected.",
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
      title: "Changes of throttle levels",
      description:
        "Clients a second whose level changes, by old and new level. A change upwards means fewer messages; 0 to 1 and back again and again is a client at the limit of its network.",
      unit: "cps",
      line: { limit: "throttleChanges", bad: "above" },
      queries: [
        {
          expr: `sum by (${LABEL.fromLevel}, ${LABEL.toLevel}) (rate(${METRIC.throttleTransitions}{${CHOSEN}}[$__rate_interval])) or on() vector(0)`,
          legend: `{{${LABEL.fromLevel}}} to {{${LABEL.toLevel}}}`,
        },
      ],
    }),
    graph({
      title: "Clients that a message reaches",
      description:
        "Deliveries divided by messages of the stream, for each gateway. The gateway encodes and compresses a message once, so a broadcast to more clients costs less for each of them.",
      unit: "short",
      line: "behaviour",
      queries: [
        {
          expr: `${RECORD.instanceDeliveries}{${CHOSEN}} / (sum by (instance) (rate(${METRIC.streamMessages}{${CHOSEN}}[${RATE}])) > 0)`,
          legend: GATEWAY,
        },
      ],
    }),
    graph({
      title: "Gaps that could not be filled",
      description:
        "Share of the requests for missed messages that came too late: the buffer (replay) or the history (resume) no longer had all messages.",
      unit: "percentunit",
      line: { limit: "dropRate", bad: "above" },
      queries: [
        { expr: shareOf(METRIC.replays, `${LABEL.replayResult}="partial"`), legend: "replay" },
        { expr: shareOf(METRIC.resumes, `${LABEL.resumeResult}="lost"`), legend: "resume" },
      ],
    }),
    errorPanel("latency", "Late deliveries, objective", "latencyErrors", 16),
  ];
}

/** Panels on the gateways' processes: CPU, memory, event loop, restarts. */
export function gatewayPanels() {
  return [
    graph({
      title: "Gateways",
      description: "Gateways that Prometheus knows, and gateways that answer.",
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
        "CPU use in percent of WS_CPU_LIMIT. Above 75 % a gateway refuses new clients. Above 80 % the gateway reads the stream more slowly.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [perGateway(METRIC.cpuUsage)],
    }),
    graph({
      title: "Memory",
      description: "Share of WS_MEMORY_LIMIT in use. Above the line a gateway refuses new clients.",
      unit: "percentunit",
      line: { limit: "memory", bad: "above" },
      queries: [perGateway(RECORD.instanceMemory)],
    }),
    graph({
      title: "Event loop lag, p99",
      description: "How long every message waits until the process handles it.",
      unit: "s",
      line: { limit: "eventLoopLag", bad: "above" },
      queries: [perGateway(OTHER_METRIC.eventLoopLag, `,job="${JOB.gateway}"`)],
    }),
    graph({
      title: "Garbage collection",
      description:
        "Share of its time that a gateway's processes collect garbage, for all processes together. Messages wait meanwhile.",
      unit: "percentunit",
      line: { limit: "garbageCollection", bad: "above" },
      queries: [
        {
          expr: `sum by (instance) (rate(${OTHER_METRIC.gcSeconds}{job="${JOB.gateway}",${CHOSEN}}[$__rate_interval]))`,
          legend: GATEWAY,
        },
      ],
    }),
    graph({
      title: "Restarts",
      description: `Restarts of a gateway on the same VM in ${T.restarts.window}. Every restart disconnects all clients of the gateway.`,
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
      description: `1 while a gateway drains: it sends its clients to other gateways and then stops. A drain should end within ${T.draining.for}.`,
      unit: "short",
      line: { limit: "draining", bad: "above" },
      queries: [perGateway(METRIC.draining)],
    }),
  ];
}

/** Panels on NATS as the gateways see it. */
export function sourcePanels() {
  return [
    graph({
      title: "Messages read, by event",
      description:
        "Messages a second that gateways read from the stream; every gateway reads all messages. 0: nobody publishes, or NATS is unreachable.",
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
      queries: [perGateway(METRIC.natsLag)],
    }),
    graph({
      title: "Reading paused",
      description: "1 while a gateway pauses reading because it is short of CPU.",
      unit: "short",
      line: { limit: "natsPaused", bad: "above" },
      queries: [perGateway(METRIC.natsPaused)],
    }),
  ];
}

/** The tokens with the most messages. All gateways read the same messages, so each token has one line. */
export function busiestTokensPanel() {
  return graph({
    title: "Ten busiest tokens",
    description:
      "Messages of a token in the last five minutes, for the ten tokens with the most. Many messages of one token: a token that trades a lot, or a publisher that sends too much.",
    unit: "short",
    line: "content",
    queries: [
      {
        expr: `topk(10, max by (${LABEL.token}) (${METRIC.busiestTokens}{${CHOSEN}}))`,
        legend: `{{${LABEL.token}}}`,
      },
    ],
    width: 24,
  });
}

/** The error ratios of an objective over all windows. */
function errorPanel(slo: SloName, title: string, limit: "connectionErrors" | "latencyErrors", width: number) {
  return graph({
    title,
    description:
      "Share of bad events, for windows from 5 minutes to 3 days. A value above the line uses up the error budget in less than a month.",
    unit: "percentunit",
    line: { limit, bad: "above" },
    queries: SLO_WINDOWS.map((window) => ({ expr: errorRatioName(slo, window), legend: window })),
    width,
  });
}

/** Quantiles of a histogram of the chosen gateways. */
function quantiles(metric: string) {
  const buckets = `sum by (le) (rate(${metric}_bucket{${CHOSEN}}[${RATE}]))`;
  return QUANTILES.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, ${buckets})`,
    legend: `p${Number(quantile) * 100}`,
  }));
}

function throttled(metric: string, level: string) {
  return { expr: `sum(${metric}) / clamp_min(sum(${METRIC.connectionsCurrent}), 1)`, legend: level };
}

function shareOf(metric: string, matcher: string): string {
  return `sum(rate(${metric}{${matcher}}[${RATE}])) / clamp_min(sum(rate(${metric}[${RATE}])), 0.000001)`;
}
