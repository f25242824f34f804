import { type AlertCase, counter, G1, gauge, gaugeCase, STEP, seriesName } from "./alert-case.fixture.ts";

const EXPORTER = { job: "nats", instance: "monitoring" };
const CERTIFICATE = { job: "nats-certificate", instance: "odin-prod-nats-0" };
const DAY = 86_400; // s
const SERVER = { job: "nats", instance: "nats", server_id: "nats-0" };

/** Cases of the alerts on NATS. */
export const NATS_CASES: readonly AlertCase[] = [
  {
    alert: "NatsUnreachable",
    step: STEP,
    series: {
      [seriesName("ws_nats_connected", G1)]: gauge([1, 120], [0, 90], [1, 180]),
      [seriesName("ws_nats_connected", { ...G1, instance: "g2" })]: gauge([1, 390]),
    },
    conditionAt: 120,
    resolvedAt: 345, // connected again at 210; the alert keeps firing for two minutes
    labels: G1,
    description: "ws_nats_connected is 0 on g1: its clients receive no messages.",
  },
  gaugeCase(
    "NatsLag",
    "ws_nats_lag_messages",
    [1000, 1500, 0],
    120,
    "g1 has not yet read 1.5k messages of the stream (alert threshold: 1000).",
  ),
  gaugeCase(
    "NatsPaused",
    "ws_nats_paused",
    [0, 1, 0],
    300,
    "ws_nats_paused has been 1 on g1 for 5m: the gateway is short of CPU, and its clients receive messages late.",
  ),
  gaugeCase(
    "UserLimitAlone",
    "ws_user_limit_alone",
    [0, 1, 0],
    300,
    "ws_user_limit_alone has been 1 on g1 for 5m: the gateway cannot exchange messages with the other gateways over NATS, so a user may have more connections than WS_MAX_CONNECTIONS_PER_USER.",
  ),
  {
    alert: "StreamSilent",
    step: STEP,
    series: {
      [seriesName("up", G1)]: gauge([1, 540]),
      [seriesName("ws_stream_messages_total", { ...G1, event: "trade" })]: counter(
        [10, 120],
        [0, 360],
        [10, 60],
      ),
    },
    conditionAt: 150, // the first window of a minute without a message
    resolvedAt: 480,
    description: "For 5m gateways have read 0.00 messages a second: NATS is reachable, but nobody publishes.",
  },
  {
    alert: "StreamSilent", // gateways have read nothing since their start
    step: STEP,
    series: {
      [seriesName("up", G1)]: gauge([undefined, 60], [1, 480]),
      [seriesName("ws_stream_messages_total", {
        ...G1,
        event: "trade",
      })]: `${gauge([undefined, 420])} ${counter([10, 120])}`,
    },
    conditionAt: 60,
    resolvedAt: 435,
    description: "For 5m gateways have read 0.00 messages a second: NATS is reachable, but nobody publishes.",
  },
  {
    alert: "NatsServerDown",
    step: STEP,
    series: {
      [seriesName("up", EXPORTER)]: gauge([1, 420]),
      [seriesName("gnatsd_healthz_status", SERVER)]: gauge([0, 420]),
      [seriesName("gnatsd_healthz_status", { ...SERVER, server_id: "nats-1" })]: gauge(
        [0, 120],
        [undefined, 180],
        [0, 120],
      ),
    },
    conditionAt: 120,
    resolvedAt: 300,
    description: "NATS servers that do not answer or are not healthy: 1 of 2.",
  },
  {
    alert: "NatsServerDown", // a server answers, but is not healthy
    step: STEP,
    series: {
      [seriesName("up", EXPORTER)]: gauge([1, 420]),
      [seriesName("gnatsd_healthz_status", SERVER)]: gauge([0, 120], [1, 180], [0, 120]),
      [seriesName("gnatsd_healthz_status", { ...SERVER, server_id: "nats-1" })]: gauge([0, 420]),
    },
    conditionAt: 120,
    resolvedAt: 300,
    description: "NATS servers that do not answer or are not healthy: 1 of 2.",
  },
  {
    alert: "JetstreamNearlyFull",
    step: STEP,
    series: {
      [seriesName("jetstream_server_total_message_bytes", SERVER)]: gauge([90, 120], [95, 360], [50, 60]),
      [seriesName("jetstream_server_max_storage", SERVER)]: gauge([100, 540]),
    },
    conditionAt: 120,
    resolvedAt: 480,
    labels: SERVER,
    description:
      "95% of the JetStream storage of nats-0 is in use (alert threshold: 90%). When the storage is full, nothing can be published.",
  },
  {
    alert: "NatsSlowConsumer",
    step: STEP,
    series: { [seriesName("gnatsd_varz_slow_consumers", SERVER)]: gauge([0, 120], [1, 660]) },
    conditionAt: 120,
    resolvedAt: 705,
    labels: SERVER,
    description: "Clients that nats-0 has disconnected in 10m because they did not keep up: 1.",
  },
  {
    alert: "NatsCertificateExpiring", // the CA's certificate expires first
    step: STEP,
    series: {
      [seriesName("probe_ssl_earliest_cert_expiry", CERTIFICATE)]: gauge([40 * DAY, 11_700]),
      [seriesName("probe_ssl_last_chain_expiry_timestamp_seconds", CERTIFICATE)]: gauge(
        [30 * DAY + 105, 3900],
        [40 * DAY, 7800],
      ),
    },
    conditionAt: 120,
    resolvedAt: 7500, // renewed at 3900; the alert keeps firing for an hour
    labels: { instance: "odin-prod-nats-0" },
    description:
      "The certificate of odin-prod-nats-0 or of its CA expires in 29d 22h 59m 45s. From then on neither gateways nor publishers can connect. A pulumi up renews the certificate.",
  },
  {
    alert: "NatsCredentialsExpiring",
    step: 3600,
    series: {},
    conditionAt: 70 * DAY + 3600, // the credentials of the sample expire after 100 days
    description:
      "The user in natsCredentials expires in 29d 22h 0m 0s. From then on no gateway can connect to NATS.",
  },
];
