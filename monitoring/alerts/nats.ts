import { METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { unhealthyServers } from "../limits/nats-health.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/** Alerts on NATS: what the gateways see of it, and on its servers where they are ours. */
export function natsAlerts({ natsMonitoring }: MonitoringOptions): Alert[] {
  const servers = natsMonitoring.length;
  const server = "{{ $labels.server_id }}";
  return [
    {
      name: "NatsUnreachable",
      // One for each, so that it silences the consequences of that gateway and not those of others.
      expr: `${METRIC.natsConnected} <= ${T.natsUnreachable.value}`,
      ...timingAndSeverity(T.natsUnreachable),
      summary: `Gateway ${TEMPLATE.gateway} cannot reach NATS`,
      description: `ws_nats_connected is ${TEMPLATE.value} on ${TEMPLATE.gateway}: its clients get no messages.`,
      dashboard: "nats",
    },
    {
      name: "NatsLag",
      expr: `${METRIC.natsLag} > ${T.natsLag.value}`,
      ...timingAndSeverity(T.natsLag),
      summary: `Gateway ${TEMPLATE.gateway} is behind the stream`,
      description: `${TEMPLATE.value} messages of the stream are still to be read by ${TEMPLATE.gateway} (limit of the alert: ${T.natsLag.value}).`,
      dashboard: "nats",
    },
    {
      name: "NatsPaused",
      expr: `${METRIC.natsPaused} > ${T.natsPaused.value}`,
      ...timingAndSeverity(T.natsPaused),
      summary: `Gateway ${TEMPLATE.gateway} has stopped reading`,
      description: `ws_nats_paused is ${TEMPLATE.value} on ${TEMPLATE.gateway} for ${T.natsPaused.for}: it is short of CPU, and its clients are behind.`,
      dashboard: "nats",
    },
    {
      name: "StreamSilent",
      // Gateways that have read nothing since their start have no such line.
      expr: `(sum(rate(${METRIC.streamMessages}[${T.streamRate.window}])) or vector(0)) <= ${T.streamRate.value} and on() ${RECORD.gatewaysUp} > ${T.gatewaysUp.value}`,
      ...timingAndSeverity(T.streamRate),
      summary: "Nothing is published",
      description: `Gateways read ${TEMPLATE.rate} messages a second for ${T.streamRate.for}: NATS is there, the publishers are not.`,
      dashboard: "nats",
    },
    ...(servers === 0
      ? []
      : [
          {
            name: "NatsServerDown",
            expr: `${unhealthyServers(servers)} > ${T.natsServersDown.value}`,
            ...timingAndSeverity(T.natsServersDown),
            summary: "A NATS server is not healthy",
            description: `${TEMPLATE.value} of ${servers} NATS servers do not answer or are not healthy.`,
            dashboard: "nats" as const,
          },
          {
            name: "JetstreamNearlyFull",
            expr: `${OTHER_METRIC.jetstreamBytes} / (${OTHER_METRIC.jetstreamMaxBytes} > 0) > ${T.jetstreamStorage.value}`,
            ...timingAndSeverity(T.jetstreamStorage),
            summary: `JetStream of ${server} is nearly full`,
            description: `${TEMPLATE.percentage} of JetStream's storage of ${server} is taken (limit of the alert: ${percent(T.jetstreamStorage.value)}). When it is full nothing can be published.`,
            dashboard: "nats" as const,
          },
          {
            name: "NatsSlowConsumer",
            expr: `increase(${OTHER_METRIC.natsSlowConsumers}[${T.natsSlowConsumers.window}]) > ${T.natsSlowConsumers.value}`,
            ...timingAndSeverity(T.natsSlowConsumers),
            summary: `NATS server ${server} has cut off a slow client`,
            description: `Clients that ${server} has cut off in ${T.natsSlowConsumers.window} because they did not keep up: ${TEMPLATE.value}.`,
            dashboard: "nats" as const,
          },
        ]),
  ];
}
