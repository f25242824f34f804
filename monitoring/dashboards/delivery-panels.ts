import { LABEL, METRIC } from "../limits/metrics.ts";
import { QUANTILES, RECORD } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import { errorPanel, perGateway, quantiles, RATE } from "./gateway-queries.ts";
import { bytesSentLine, coresOf, deliveriesLine } from "./machine-lines.ts";
import { GATEWAY, graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

/** Panels on deliveries: their number, their latency, and dropped deliveries. */
export function deliveryPanels(options: MonitoringOptions) {
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
      queries: quantiles(METRIC.broadcastDuration),
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

function throttled(metric: string, level: string) {
  return { expr: `sum(${metric}) / clamp_min(sum(${METRIC.connectionsCurrent}), 1)`, legend: level };
}

function shareOf(metric: string, matcher: string): string {
  return `sum(rate(${metric}{${matcher}}[${RATE}])) / clamp_min(sum(rate(${metric}[${RATE}])), 0.000001)`;
}
