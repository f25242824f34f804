import type { AlertCase } from "./alert-case.fixture.ts";
import { grown, held } from "./series.fixture.ts";
import { SLO_CASES } from "./slo-cases.fixture.ts";

const STEP = 15;
const gauge = (...parts: Parameters<typeof held> extends [number, ...infer Rest] ? Rest : never) =>
  held(STEP, ...parts);
const counter = (...parts: Parameters<typeof grown> extends [number, ...infer Rest] ? Rest : never) =>
  grown(STEP, ...parts);

const G1 = { job: "gateway", instance: "g1" };
const of = (metric: string, labels: Record<string, string>) =>
  `${metric}{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}}`;

/** At its limit for two minutes, beyond it until two minutes after it fires, then well below. */
function gaugeCase(
  alert: string,
  metric: string,
  [atLimit, beyond, after]: [number, number, number],
  fires: number,
  description: string,
  labels: Record<string, string> = G1,
): AlertCase {
  return {
    alert,
    step: STEP,
    series: { [of(metric, labels)]: gauge([atLimit, 120], [beyond, fires + 120], [after, 60]) },
    beyond: 120,
    over: fires + 240,
    labels,
    description,
  };
}

const SERVER = { job: "nats", instance: "nats", server_id: "nats-0" };
const DISK = { job: "node", instance: "monitoring", mountpoint: "/mnt/disks/data" };

const CASES: AlertCase[] = [
  {
    alert: "AllGatewaysDown",
    step: STEP,
    series: { [of("up", G1)]: gauge([1, 120], [0, 180], [1, 60]) },
    beyond: 120,
    over: 300,
    description: "0 gateways answer Prometheus. Clients get no connection and no messages.",
  },
  {
    alert: "AllGatewaysDown", // not even known
    step: STEP,
    series: { [of("up", G1)]: gauge([1, 120], [undefined, 180], [1, 60]) },
    beyond: 120,
    over: 300,
    description: "0 gateways answer Prometheus. Clients get no connection and no messages.",
  },
  gaugeCase(
    "GatewayDown",
    "up",
    [1, 0, 1],
    300,
    "up is 0: g1 has not answered Prometheus for 5m, and autohealing has not replaced it.",
  ),
  {
    alert: "RestartLoop",
    step: STEP,
    series: {
      [of("process_cpu_seconds_total", G1)]: gauge([100, 120], [50, 60], [20, 60], [5, 900]),
    },
    beyond: 240, // the third time
    over: 1020, // the first is longer ago than 15 min
    labels: G1,
    description: "g1 has started 3 times in 15m; each time its clients were cut off.",
  },
  gaugeCase(
    "DrainStuck",
    "ws_draining",
    [0, 1, 0],
    600,
    "ws_draining is 1 on g1 for 10m: it takes no clients, and has not stopped.",
  ),
  {
    alert: "AutoscalingEvent",
    step: STEP,
    series: {
      [of("up", G1)]: gauge([1, 720]),
      [of("up", { ...G1, instance: "g2" })]: gauge([undefined, 360], [1, 360]),
    },
    beyond: 360,
    over: 660,
    description: "There are 2 gateways now, another number than 5m ago.",
  },
  gaugeCase(
    "CapacityNearlyFull",
    "ws_capacity_ratio",
    [0.9, 0.91, 0.5],
    120,
    "91% of the 10000 connections of g1 are taken (limit of the alert: 90%). Full gateways refuse clients.",
  ),
  gaugeCase(
    "HighCpu",
    "ws_cpu_usage_percent",
    [80, 81, 40],
    120,
    "g1 uses 81% of its CPU limit (limit of the alert: 80%). It refuses clients, and reads the stream slower.",
  ),
  gaugeCase(
    "HighMemory",
    "ws_memory_usage_bytes",
    [900_000_000, 910_000_000, 1_000_000],
    120,
    "g1 uses 91% of its memory limit (limit of the alert: 90%). It refuses clients; not far above 100 % the system ends it.",
  ),
  gaugeCase(
    "EventLoopLag",
    "nodejs_eventloop_lag_p99_seconds",
    [0.1, 0.15, 0.01],
    300,
    "The event loop of g1 lags by 150ms (99th percentile, limit of the alert: 0.1 s). Every message waits for it.",
  ),
  {
    alert: "ConnectionsRejected",
    step: STEP,
    series: {
      [of("ws_connections_rejected_total", { ...G1, reason: "connections" })]: counter(
        [0, 120],
        [1, 120],
        [0, 120],
      ),
    },
    beyond: 120,
    over: 270,
    labels: { reason: "connections" },
    description: "1.00 connections a second are refused for the reason connections.",
  },
  {
    alert: "ClientsRejected",
    step: STEP,
    series: {
      [of("ws_connections_total", G1)]: counter([1, 960]),
      [of("ws_connections_rejected_total", { ...G1, reason: "token" })]: counter([1, 660], [0, 300]),
    },
    beyond: 45, // until then there are too few
    over: 900,
    description:
      "50% of all connection attempts are refused for their token, origin, path or number (limit of the alert: 20%): wrong keys or a broken page.",
  },
  {
    alert: "HighDropRate",
    step: STEP,
    series: {
      [of("ws_messages_sent_total", { ...G1, event: "trade" })]: counter([98, 660]),
      [of("ws_messages_dropped_total", { ...G1, reason: "throttled", priority: "low" })]: counter(
        [2, 180],
        [0, 480],
      ),
    },
    beyond: 15,
    over: 495,
    labels: { instance: "g1" },
    description: "2% of the deliveries of g1 are left out (limit of the alert: 1%).",
  },
  {
    alert: "HighLatency",
    step: STEP,
    series: {
      [of("ws_message_latency_seconds_bucket", { ...G1, le: "0.25" })]: counter([0, 360], [100, 360]),
      [of("ws_message_latency_seconds_bucket", { ...G1, le: "0.5" })]: counter([100, 720]),
      [of("ws_message_latency_seconds_bucket", { ...G1, le: "+Inf" })]: counter([100, 720]),
    },
    beyond: 15,
    over: 675,
    labels: { instance: "g1", quantile: "0.99" },
    description:
      "From publishing to the socket it takes 497.5ms on g1 (99th percentile, limit of the alert: 0.25 s).",
  },
  {
    alert: "NatsUnreachable",
    step: STEP,
    series: {
      [of("ws_nats_connected", G1)]: gauge([1, 120], [0, 90], [1, 180]),
      [of("ws_nats_connected", { ...G1, instance: "g2" })]: gauge([1, 390]),
    },
    beyond: 120,
    over: 345, // connected again at 210, and two minutes
    description: "1 gateways have no connection to NATS: their clients get no messages.",
  },
  gaugeCase(
    "NatsLag",
    "ws_nats_lag_messages",
    [1000, 1500, 0],
    120,
    "1.5k messages of the stream are still to be read by g1 (limit of the alert: 1000).",
  ),
  gaugeCase(
    "NatsPaused",
    "ws_nats_paused",
    [0, 1, 0],
    300,
    "ws_nats_paused is 1 on g1 for 5m: it is short of CPU, and its clients are behind.",
  ),
  {
    alert: "StreamSilent",
    step: STEP,
    series: {
      [of("ws_stream_messages_total", { ...G1, event: "trade" })]: counter([10, 120], [0, 360], [10, 60]),
    },
    beyond: 150, // a window of a minute without a message
    over: 480,
    description: "Gateways read 0.00 messages a second for 5m: NATS is there, the publishers are not.",
  },
  {
    alert: "NatsServerDown",
    step: STEP,
    series: {
      [of("gnatsd_healthz_status", SERVER)]: gauge([0, 420]),
      [of("gnatsd_healthz_status", { ...SERVER, server_id: "nats-1" })]: gauge(
        [0, 120],
        [undefined, 180],
        [0, 120],
      ),
    },
    beyond: 120,
    over: 300,
    description: "1 of 2 NATS servers do not answer or are not healthy.",
  },
  {
    alert: "NatsServerDown", // answers, but is not healthy
    step: STEP,
    series: {
      [of("gnatsd_healthz_status", SERVER)]: gauge([0, 120], [1, 180], [0, 120]),
      [of("gnatsd_healthz_status", { ...SERVER, server_id: "nats-1" })]: gauge([0, 420]),
    },
    beyond: 120,
    over: 300,
    description: "1 of 2 NATS servers do not answer or are not healthy.",
  },
  {
    alert: "JetstreamNearlyFull",
    step: STEP,
    series: {
      [of("jetstream_server_total_message_bytes", SERVER)]: gauge([90, 120], [95, 360], [50, 60]),
      [of("jetstream_server_max_storage", SERVER)]: gauge([100, 540]),
    },
    beyond: 120,
    over: 480,
    labels: SERVER,
    description:
      "95% of JetStream's storage of nats-0 is taken (limit of the alert: 90%). When it is full nothing can be published.",
  },
  {
    alert: "NatsSlowConsumer",
    step: STEP,
    series: { [of("gnatsd_varz_slow_consumers", SERVER)]: gauge([0, 120], [1, 660]) },
    beyond: 120,
    over: 705,
    labels: SERVER,
    description: "Clients that nats-0 has cut off in 10m because they did not keep up: 1.",
  },
  {
    alert: "DiskFillingUp",
    step: 300,
    series: {
      // 100 kB a second of the 8 GB that are left
      [of("node_filesystem_avail_bytes", DISK)]: `8000000000-30000000x8 ${held(300, [8e9, 24_000])}`,
    },
    beyond: 300,
    over: 25_500,
    labels: DISK,
    description:
      "In 24 h /mnt/disks/data of monitoring would have -810.6MiB left, if it goes on like in the last 6h.",
  },
  {
    alert: "DiskNearlyFull",
    step: STEP,
    series: {
      [of("node_filesystem_avail_bytes", DISK)]: gauge([5, 120], [4, 360], [50, 60]),
      [of("node_filesystem_size_bytes", DISK)]: gauge([100, 540]),
    },
    beyond: 120,
    over: 480,
    labels: DISK,
    description:
      "4% of /mnt/disks/data of monitoring is left (limit of the alert: 5%). Without room neither metrics nor logs are kept, and alerts end.",
  },
  {
    alert: "CertificateExpiring",
    step: STEP,
    series: {
      [of("probe_ssl_earliest_cert_expiry", { job: "entrance", instance: "live.example.com" })]: gauge(
        [21 * 86_400 + 120, 3900],
        [90 * 86_400, 60],
      ),
    },
    beyond: 135,
    over: 3900,
    labels: { job: "entrance", instance: "live.example.com" },
    description: "It ends in 20d 22h 59m 45s. Then no browser connects by wss://live.example.com any more.",
  },
  gaugeCase(
    "TargetDown",
    "up",
    [1, 0, 1],
    300,
    "up is 0 for loki monitoring: what alerts and dashboards take from it is missing.",
    { job: "loki", instance: "monitoring" },
  ),
  ...["prometheus", "alertmanager"].map((job) =>
    gaugeCase(
      "ConfigurationRefused",
      `${job}_config_last_reload_successful`,
      [1, 0, 1],
      300,
      `The last reload of ${job} gave 0: it goes on with what it had, and changes have no effect.`,
      { job, instance: "monitoring" },
    ),
  ),
  {
    alert: "NotificationsFailing",
    step: STEP,
    series: {
      [of("alertmanager_notifications_failed_total", { job: "alertmanager", integration: "email" })]: counter(
        [0, 120],
        [0.1, 360],
        [0, 360],
      ),
    },
    beyond: 120,
    over: 780,
    labels: { integration: "email" },
    description: "0.10 notifications a second by email fail.",
  },
  ...SLO_CASES,
];

/** What makes each alert fire; several for one alert where it has several reasons. The dead man's switch has none. */
export const ALERT_CASES: readonly AlertCase[] = CASES;
