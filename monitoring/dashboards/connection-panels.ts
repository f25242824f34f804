import { LABEL, METRIC, REFUSALS } from "../limits/metrics.ts";
import { RECORD } from "../limits/recording-rules.ts";
import type { MonitoringOptions } from "../options.ts";
import { errorPanel, perGateway, quantiles } from "./gateway-queries.ts";
import { graph } from "./panels.ts";
import { CHOSEN } from "./variables.ts";

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
        "Valid clients refused a second, by reason: a gateway is full, is short of CPU or memory, gets more clients at once than it can connect (handshakes), or cannot check tokens (keys).",
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
