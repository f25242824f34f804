import { METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { unhealthyServers } from "../limits/nats-health.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { sourcePanels } from "./gateway-panels.ts";
import { GATEWAY, graph, number } from "./panels.ts";
import { CHOSEN, fleetAnnotations, gatewayVariable } from "./variables.ts";

const SERVER = "{{server_id}}";
const STREAM = "{{stream_name}}";

/** NATS as the gateways see it, and its servers where they are ours. */
export function natsDashboard({ natsMonitoring }: MonitoringOptions): Dashboard {
  const servers = natsMonitoring.length;
  return {
    name: "nats",
    description: "Whether messages come, and whether gateways and servers keep up with them.",
    from: "now-1h",
    variables: [gatewayVariable()],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Do messages come?", panels: numbers(servers) },
      { title: "The gateways' view", panels: [...sourcePanels(), ...viewPanels()] },
      ...(servers === 0
        ? []
        : [
            { title: "Our servers", panels: serverPanels() },
            { title: "Stream", panels: streamPanels() },
          ]),
    ],
  };
}

function numbers(servers: number) {
  const ours = number({
    title: "Unhealthy servers",
    description:
      "Our NATS servers that do not answer or are not healthy. A cluster of three works on without one. No number: their exporter is away.",
    unit: "short",
    line: { limit: "natsServersDown", bad: "above" },
    queries: [{ expr: unhealthyServers(servers) }],
    width: 6,
  });
  return [
    number({
      title: "Gateways without NATS",
      description: "Their clients are connected and get nothing.",
      unit: "short",
      line: { limit: "natsUnreachable", bad: "above" },
      queries: [{ expr: RECORD.gatewaysWithoutNats }],
      width: 6,
    }),
    number({
      title: "Messages of the source",
      description: "Messages a second that the gateways read.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [{ expr: `sum(${RECORD.streamMessages})` }],
      width: 6,
    }),
    number({
      title: "Longest lag",
      description: "Messages that the slowest gateway has still to read.",
      unit: "short",
      line: { limit: "natsLag", bad: "above" },
      queries: [{ expr: `max(${METRIC.natsLag})` }],
      width: 6,
    }),
    ...(servers === 0 ? [] : [ours]),
  ];
}

function viewPanels() {
  return [
    graph({
      title: "Connected",
      description:
        "1 while a gateway has its source. Of all at once: NATS; of one: that gateway or its way there.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: `${METRIC.natsConnected}{${CHOSEN}}`, legend: GATEWAY }],
    }),
    graph({
      title: "Messages read by each gateway",
      description:
        "Messages a second. All read the same: one below the others is behind. The line is the limit that a gateway keeps.",
      unit: "mps",
      line: { limit: "streamRead", bad: "above" },
      queries: [
        {
          expr: `sum by (instance) (rate(${METRIC.streamMessages}{${CHOSEN}}[$__rate_interval]))`,
          legend: GATEWAY,
        },
      ],
    }),
    graph({
      title: "Latency, p99",
      description: "From publishing to the write into the socket, of each gateway. It begins with NATS.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [{ expr: `${RECORD.instanceLatency}{quantile="0.99",${CHOSEN}}`, legend: GATEWAY }],
      logarithmic: true,
    }),
  ];
}

function serverPanels() {
  const rate = (metric: string) => `rate(${metric}[$__rate_interval])`;
  return [
    graph({
      title: "Connections",
      description: "Clients of each server: gateways and publishers.",
      unit: "short",
      line: { limit: "natsConnections", bad: "above" },
      queries: [{ expr: OTHER_METRIC.natsConnections, legend: SERVER }],
    }),
    graph({
      title: "Messages",
      description:
        "Messages a second into and out of each server. What goes out grows with the number of gateways.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [
        { expr: rate(OTHER_METRIC.natsMessagesIn), legend: `in ${SERVER}` },
        { expr: rate(OTHER_METRIC.natsMessagesOut), legend: `out ${SERVER}` },
      ],
    }),
    graph({
      title: "Bytes",
      description: "Bytes a second into and out of each server.",
      unit: "Bps",
      line: { limit: "bytesSent", bad: "above" },
      queries: [
        { expr: rate(OTHER_METRIC.natsBytesIn), legend: `in ${SERVER}` },
        { expr: rate(OTHER_METRIC.natsBytesOut), legend: `out ${SERVER}` },
      ],
    }),
    graph({
      title: "CPU",
      description: "Percent of one core.",
      unit: "percent",
      line: { limit: "cpu", bad: "above" },
      queries: [{ expr: OTHER_METRIC.natsCpu, legend: SERVER }],
    }),
    graph({
      title: "Memory",
      description: "Resident memory of each server.",
      unit: "bytes",
      line: { limit: "natsMemory", bad: "above" },
      queries: [{ expr: OTHER_METRIC.natsMemory, legend: SERVER }],
    }),
    graph({
      title: "Slow clients cut off",
      description: `Clients that a server has cut off in ${T.natsSlowConsumers.window} since they did not keep up. A gateway among them loses its source for a moment.`,
      unit: "short",
      line: { limit: "natsSlowConsumers", bad: "above" },
      queries: [
        {
          expr: `increase(${OTHER_METRIC.natsSlowConsumers}[${T.natsSlowConsumers.window}])`,
          legend: SERVER,
        },
      ],
    }),
  ];
}

function streamPanels() {
  const most = (metric: string) => `max by (stream_name) (${metric})`;
  return [
    graph({
      title: "Storage of JetStream",
      description: "Part of each server's storage that is taken. When it is full nothing can be published.",
      unit: "percentunit",
      line: { limit: "jetstreamStorage", bad: "above" },
      queries: [
        { expr: `${OTHER_METRIC.jetstreamBytes} / (${OTHER_METRIC.jetstreamMaxBytes} > 0)`, legend: SERVER },
      ],
    }),
    graph({
      title: "Published",
      description: "Messages a second that a stream takes in, by its last sequence number.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [
        {
          expr: `max by (stream_name) (rate(${OTHER_METRIC.streamLastSequence}[$__rate_interval]))`,
          legend: STREAM,
        },
      ],
    }),
    graph({
      title: "Messages kept",
      description:
        "Messages in a stream: what a gateway reads that starts or comes back. At 0 there is nothing to resume from.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: most(OTHER_METRIC.streamMessages), legend: STREAM }],
    }),
    graph({
      title: "Consumers",
      description: "Readers of a stream: one for each process that reads it.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: most(OTHER_METRIC.streamConsumers), legend: STREAM }],
    }),
  ];
}
