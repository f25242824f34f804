import { JOB, METRIC, OTHER_METRIC } from "../limits/metrics.ts";
import { unhealthyServers } from "../limits/nats-health.ts";
import { RECORD } from "../limits/recording-rules.ts";
import { THRESHOLDS as T } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { type Alert, percent, TEMPLATE, timingAndSeverity } from "./alert.ts";

/**
 * Alerts on NATS as the gateways see it and, where the deployment has its own NATS servers, on these servers.
 */
export function natsAlerts(options: MonitoringOptions): Alert[] {
  const { natsMonitoring } = options;
  const servers = natsMonitoring.length;
  const server = "{{ $labels.server_id }}";
  return [
    {
      name: "NatsUnreachable",
      // One alert for each gateway, so that an alert inhibits the consequences on its own gateway only.
      expr: `${METRIC.natsConnected} <= ${T.natsUnreachable.value}`,
      ...timingAndSeverity(T.natsUnreachable),
      summary: `Gateway ${TEMPLATE.gateway} cannot reach NATS`,
      description: `ws_nats_connected is ${TEMPLATE.value} on ${TEMPLATE.gateway}: its clients receive no messages.`,
      dashboard: "nats",
    },
    {
      name: "NatsLag",
      expr: `${METRIC.natsLag} > ${T.natsLag.value}`,
      ...timingAndSeverity(T.natsLag),
      summary: `Gateway ${TEMPLATE.gateway} lags behind the stream`,
      description: `${TEMPLATE.gateway} has not yet read ${TEMPLATE.value} messages of the stream (alert threshold: ${T.natsLag.value}).`,
      dashboard: "nats",
    },
    {
      name: "NatsPaused",
      expr: `${METRIC.natsPaused} > ${T.natsPaused.value}`,
      ...timingAndSeverity(T.natsPaused),
      summary: `Gateway ${TEMPLATE.gateway} pauses reading because of high CPU`,
      description: `ws_nats_paused has been ${TEMPLATE.value} on ${TEMPLATE.gateway} for ${T.natsPaused.for}: the gateway is short of CPU, and its clients receive messages late.`,
      dashboard: "nats",
    },
    {
      name: "UserLimitAlone",
      expr: `${METRIC.userLimitAlone} > ${T.userLimitAlone.value}`,
      ...timingAndSeverity(T.userLimitAlone),
      summary: `Gateway ${TEMPLATE.gateway} counts the connections of its users alone`,
      description: `ws_user_limit_alone has been ${TEMPLATE.value} on ${TEMPLATE.gateway} for ${T.userLimitAlone.for}: the gateway cannot exchange messages with the other gateways over NATS, so a user may have more connections than WS_MAX_CONNECTIONS_PER_USER.`,
      dashboard: "nats",
    },
    {
      name: "StreamSilent",
      // `vector(0)`, because gateways that have read nothing since their start do not have this series.
      expr: `(sum(rate(${METRIC.streamMessages}[${T.streamRate.window}])) or vector(0)) <= ${T.streamRate.value} and on() ${RECORD.gatewaysUp} > ${T.gatewaysUp.value}`,
      ...timingAndSeverity(T.streamRate),
      summary: "Nothing is published",
      description: `For ${T.streamRate.for} gateways have read ${TEMPLATE.rate} messages a second: NATS is reachable, but nobody publishes.`,
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
            description: `NATS servers that do not answer or are not healthy: ${TEMPLATE.value} of ${servers}.`,
            dashboard: "nats" as const,
          },
          {
            name: "JetstreamNearlyFull",
            expr: `${OTHER_METRIC.jetstreamBytes} / (${OTHER_METRIC.jetstreamMaxBytes} > 0) > ${T.jetstreamStorage.value}`,
            ...timingAndSeverity(T.jetstreamStorage),
            summary: `The JetStream storage of ${server} is nearly full`,
            description: `${TEMPLATE.percentage} of the JetStream storage of ${server} is in use (alert threshold: ${percent(T.jetstreamStorage.value)}). When the storage is full, nothing can be published.`,
            dashboard: "nats" as const,
          },
          {
            name: "NatsSlowConsumer",
            expr: `increase(${OTHER_METRIC.natsSlowConsumers}[${T.natsSlowConsumers.window}]) > ${T.natsSlowConsumers.value}`,
            ...timingAndSeverity(T.natsSlowConsumers),
            summary: `NATS server ${server} has disconnected a slow client`,
            description: `Clients that ${server} has disconnected in ${T.natsSlowConsumers.window} because they did not keep up: ${TEMPLATE.value}.`,
            dashboard: "nats" as const,
          },
        ]),
    ...expiryAlerts(options),
  ];
}

/** Alerts on certificates and credentials that somebody must renew before they expire. */
function expiryAlerts({ kind, natsMonitoring, natsCredentialsEnd: end }: MonitoringOptions): Alert[] {
  const ends = `{__name__=~"${OTHER_METRIC.certificateEnd}|${OTHER_METRIC.chainEnd}",job="${JOB.natsCertificate}"} > 0`;
  return [
    ...(kind === "service" && natsMonitoring.length > 0
      ? [
          {
            name: "NatsCertificateExpiring",
            expr: `min by (instance) (${ends}) - time() < ${T.natsCertificate.value}`,
            ...timingAndSeverity(T.natsCertificate),
            summary: "The certificate of NATS server {{ $labels.instance }} has not been renewed",
            description: `The certificate of {{ $labels.instance }} or of its CA expires in ${TEMPLATE.duration}. From then on neither gateways nor publishers can connect. A pulumi up renews the certificate.`,
            dashboard: "nats" as const,
          },
        ]
      : []),
    ...(end === undefined
      ? []
      : [
          {
            name: "NatsCredentialsExpiring",
            expr: `vector(${end}) - time() < ${T.natsCredentials.value}`,
            ...timingAndSeverity(T.natsCredentials),
            summary: "The credentials for NATS expire soon",
            description: `The user in natsCredentials expires in ${TEMPLATE.duration}. From then on no gateway can connect to NATS.`,
            dashboard: "nats" as const,
          },
        ]),
  ];
}
