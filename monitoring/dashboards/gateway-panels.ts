import { JOB, LABEL, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import { perGateway } from "./gateway-queries.ts";
import { GATEWAY, graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

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
