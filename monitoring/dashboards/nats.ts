import { LABEL, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { unhealthyServers } from "../limits/nats-health.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { fleetAnnotations } from "./annotations.ts";
import type { Dashboard } from "./dashboard-json.ts";
import { sourcePanels } from "./gateway-panels.ts";
import { GATEWAY, graph, number } from "./panels.ts";
import { publisherRows } from "./publisher-panels.ts";
import { CHOSEN, gatewayVariable } from "./variables.ts";

const SERVER = "{{server_id}}";
const STREAM = "{{stream_name}}";

/**
 * The dashboard of NATS as the gateways see it and, where the deployment has its own NATS servers, of these
 * servers.
 */
export function natsDashboard(options: MonitoringOptions): Dashboard {
  const servers = options.natsMonitoring.length;
  return {
    name: "nats",
    description: "Do messages arrive, and do gateways and servers keep up with them?",
    from: "now-1h",
    variables: [gatewayVariable()],
    annotations: fleetAnnotations(),
    rows: [
      { title: "Do messages arrive?", panels: numbers(servers) },
      { title: "NATS as the gateways see it", panels: [...sourcePanels(), ...viewPanels()] },
      { title: "Limit of a user", panels: userLimitPanels() },
      ...(servers === 0
        ? []
        : [
            { title: "NATS servers", panels: serverPanels() },
            { title: "Stream", panels: streamPanels() },
          ]),
      ...publisherRows(options),
    ],
  };
}

function numbers(servers: number) {
  const unhealthy = number({
    title: "Unhealthy servers",
    description:
      "NATS servers that do not answer or are not healthy. A cluster of three still works without one server. No number: the NATS exporter is down.",
    unit: "short",
    line: { limit: "natsServersDown", bad: "above" },
    queries: [{ expr: unhealthyServers(servers) }],
    width: 6,
  });
  return [
    number({
      title: "Gateways without NATS",
      description: "Gateways that cannot reach NATS. Their clients stay connected but receive no messages.",
      unit: "short",
      line: { limit: "natsUnreachable", bad: "above" },
      queries: [{ expr: RECORD.gatewaysWithoutNats }],
      width: 6,
    }),
    number({
      title: "Messages read",
      description: "Messages a second that gateways read from the stream.",
      unit: "mps",
      line: { limit: "streamRate", bad: "below" },
      queries: [{ expr: `sum(${RECORD.streamMessages})` }],
      width: 6,
    }),
    number({
      title: "Longest lag",
      description: "Messages in the stream that the slowest gateway has not read yet.",
      unit: "short",
      line: { limit: "natsLag", bad: "above" },
      queries: [{ expr: `max(${METRIC.natsLag})` }],
      width: 6,
    }),
    ...(servers === 0 ? [] : [unhealthy]),
  ];
}

function viewPanels() {
  return [
    graph({
      title: "Connected",
      description:
        "1 while a gateway is connected to NATS. All gateways at 0: NATS is down. One gateway at 0: the cause is this gateway or its network.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: `${METRIC.natsConnected}{${CHOSEN}}`, legend: GATEWAY }],
    }),
    graph({
      title: "Messages read by each gateway",
      description:
        "Messages a second. All gateways read the same messages, so a gateway below the others lags. The line is the default of WS_MAX_NATS_RATE: a gateway reads no faster.",
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
      description:
        "Time from publishing to the write into the socket, for each gateway. The time in NATS counts too.",
      unit: "s",
      line: { limit: "latency", bad: "above" },
      queries: [{ expr: `${RECORD.instanceLatency}{quantile="0.99",${CHOSEN}}`, legend: GATEWAY }],
      logarithmic: true,
    }),
  ];
}

/** How the gateways count the connections of their users together. */
function userLimitPanels() {
  return [
    graph({
      title: "Gateways that count alone",
      description:
        "1 while a gateway cannot count the connections of its users to other gateways, because its messages over NATS do not come back. A user may then have more connections than the limit.",
      unit: "short",
      line: { limit: "userLimitAlone", bad: "above" },
      queries: [{ expr: `${METRIC.userLimitAlone}{${CHOSEN}}`, legend: GATEWAY }],
    }),
    graph({
      title: "Gateways that count together",
      description:
        "Number of gateways that each gateway counts the connections of users with, itself included. All gateways should show the same number. 0: the gateway drains, or there is no limit.",
      unit: "short",
      line: "fleet",
      queries: [{ expr: `${METRIC.userLimitGateways}{${CHOSEN}}`, legend: GATEWAY }],
    }),
    graph({
      title: "Questions whether a user may connect",
      description:
        "Answers a second. refused: the user has as many connections as the limit allows. unanswered, alone: the client got a seat although the gateway that counts this user did not answer, or NATS was away.",
      unit: "cps",
      line: "behaviour",
      queries: [
        {
          expr: `sum by (${LABEL.claimResult}) (rate(${METRIC.userSeatClaims}{${CHOSEN}}[$__rate_interval]))`,
          legend: `{{${LABEL.claimResult}}}`,
        },
      ],
    }),
  ];
}

function serverPanels() {
  const rate = (metric: string) => `rate(${metric}[$__rate_interval])`;
  return [
    graph({
      title: "Connections",
      description: "Connected clients of each server: gateways and publishers.",
      unit: "short",
      line: { limit: "natsConnections", bad: "above" },
      queries: [{ expr: OTHER_METRIC.natsConnections, legend: SERVER }],
    }),
    graph({
      title: "Messages",
      description:
        "Messages a second into and out of each server. The outgoing rate grows with the number of gateways.",
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
      description: "CPU use of each server in percent of one core.",
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
      title: "Slow clients disconnected",
      description: `Clients that a server disconnected in ${T.natsSlowConsumers.window} because they did not keep up. A disconnected gateway receives no messages until it has reconnected.`,
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
      title: "JetStream storage",
      description:
        "Share of each server's storage in use. When the storage is full, nothing can be published.",
      unit: "percentunit",
      line: { limit: "jetstreamStorage", bad: "above" },
      queries: [
        { expr: `${OTHER_METRIC.jetstreamBytes} / (${OTHER_METRIC.jetstreamMaxBytes} > 0)`, legend: SERVER },
      ],
    }),
    graph({
      title: "Published",
      description:
        "Messages a second that publishers add to a stream, computed from its last sequence number.",
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
      title: "Messages stored",
      description:
        "Messages in a stream. A gateway that starts reads all of them. At 0, nothing has been published for as long as the stream keeps messages.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: most(OTHER_METRIC.streamMessages), legend: STREAM }],
    }),
    graph({
      title: "Consumers",
      description: "Consumers of a stream: one for each gateway process that reads from NATS.",
      unit: "short",
      line: { limit: "present", bad: "below" },
      queries: [{ expr: most(OTHER_METRIC.streamConsumers), legend: STREAM }],
    }),
  ];
}
