import { type AlertCase, counter, G1, gauge, gaugeCase, of, STEP } from "./alert-case.fixture.ts";

/** What makes the alerts on gateways fire. */
export const GATEWAY_CASES: readonly AlertCase[] = [
  {
    alert: "AllGatewaysDown",
    step: STEP,
    series: { [of("up", G1)]: gauge([1, 120], [0, 180], [1, 420]) },
    beyond: 120,
    over: 615, // one answers at 300, and five minutes
    description: "0 gateways answer Prometheus. Clients get no connection and no messages.",
  },
  {
    alert: "NoGatewaysFound",
    step: STEP,
    series: { [of("up", G1)]: gauge([1, 120], [undefined, 420], [1, 60]) },
    beyond: 120,
    over: 540,
    description:
      "0 gateways are known for 5m: their group is empty, or Google Cloud does not tell. Every alert on a gateway is blind.",
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
  {
    alert: "RestartLoop", // lives for half a minute: away as often as there, and its counter never falls
    step: STEP,
    series: {
      [of("up", G1)]: `${"1 0 1 1 0 ".repeat(10)}${"1 ".repeat(80)}`.trim(),
      [of("process_cpu_seconds_total", G1)]: "1.2 stale 1.2 1.4 stale ".repeat(10).trim(),
    },
    beyond: 90, // away for the third time
    over: 1400 - (1400 % STEP),
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
        [0, 360],
      ),
    },
    beyond: 120,
    over: 540,
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
];
