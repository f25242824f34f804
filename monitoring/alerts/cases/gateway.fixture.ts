import { type AlertCase, counter, G1, gauge, gaugeCase, STEP, seriesName } from "./alert-case.fixture.ts";

/** Cases of the alerts on gateways. */
export const GATEWAY_CASES: readonly AlertCase[] = [
  {
    alert: "AllGatewaysDown",
    step: STEP,
    series: { [seriesName("up", G1)]: gauge([1, 120], [0, 180], [1, 420]) },
    conditionAt: 120,
    resolvedAt: 615, // a gateway answers at 300; the alert keeps firing for five minutes
    description: "0 gateways answer Prometheus. Clients cannot connect and receive no messages.",
  },
  {
    alert: "NoGatewaysFound",
    step: STEP,
    series: { [seriesName("up", G1)]: gauge([1, 120], [undefined, 420], [1, 60]) },
    conditionAt: 120,
    resolvedAt: 540,
    description:
      "Prometheus has found 0 gateways for 5m. Either their instance group is empty, or Google Cloud does not list its VMs. No alert on a gateway can fire meanwhile.",
  },
  gaugeCase(
    "GatewayDown",
    "up",
    [1, 0, 1],
    300,
    "up is 0: g1 has not answered Prometheus for 5m, and autohealing has not replaced its VM.",
  ),
  {
    alert: "RestartLoop",
    step: STEP,
    series: {
      [seriesName("process_cpu_seconds_total", G1)]: gauge([100, 120], [50, 60], [20, 60], [5, 900]),
    },
    conditionAt: 240, // the third restart
    resolvedAt: 1020, // the first restart is more than 15 min ago
    labels: G1,
    description: "g1 has restarted 3 times in 15m. Every restart disconnects all of its clients.",
  },
  {
    // The process lives for half a minute, so scrapes miss many restarts and the counter never falls.
    alert: "RestartLoop",
    step: STEP,
    series: {
      [seriesName("up", G1)]: `${"1 0 1 1 0 ".repeat(10)}${"1 ".repeat(80)}`.trim(),
      [seriesName("process_cpu_seconds_total", G1)]: "1.2 stale 1.2 1.4 stale ".repeat(10).trim(),
    },
    conditionAt: 90, // down for the third time
    resolvedAt: 1400 - (1400 % STEP),
    labels: G1,
    description: "g1 has restarted 3 times in 15m. Every restart disconnects all of its clients.",
  },
  gaugeCase(
    "DrainStuck",
    "ws_draining",
    [0, 1, 0],
    600,
    "ws_draining has been 1 on g1 for 10m: the gateway accepts no clients, and has not stopped.",
  ),
  {
    alert: "AutoscalingEvent",
    step: STEP,
    series: {
      [seriesName("up", G1)]: gauge([1, 720]),
      [seriesName("up", { ...G1, instance: "g2" })]: gauge([undefined, 360], [1, 360]),
    },
    conditionAt: 360,
    resolvedAt: 660,
    description: "There are 2 gateways now. 5m ago their number was different.",
  },
  gaugeCase(
    "CapacityNearlyFull",
    "ws_capacity_ratio",
    [0.9, 0.91, 0.5],
    120,
    "91% of the 10000 connections that g1 accepts are in use (alert threshold: 90%). A full gateway refuses clients.",
  ),
  gaugeCase(
    "HighCpu",
    "ws_cpu_usage_percent",
    [80, 81, 40],
    120,
    "g1 uses 81% of its CPU limit (alert threshold: 80%). The gateway refuses new clients and reads the stream more slowly.",
  ),
  gaugeCase(
    "HighMemory",
    "ws_memory_usage_bytes",
    [900_000_000, 910_000_000, 1_000_000],
    120,
    "g1 uses 91% of its memory limit (alert threshold: 90%). The gateway refuses new clients. A little above 100 % the system kills the gateway.",
  ),
  gaugeCase(
    "EventLoopLag",
    "nodejs_eventloop_lag_p99_seconds",
    [0.1, 0.15, 0.01],
    300,
    "The event loop of g1 lags by 150ms (99th percentile, alert threshold: 0.1 s). Every message waits for the event loop.",
  ),
  {
    alert: "ConnectionsRejected",
    step: STEP,
    series: {
      [seriesName("ws_connections_rejected_total", { ...G1, reason: "connections" })]: counter(
        [0, 120],
        [1, 120],
        [0, 360],
      ),
    },
    conditionAt: 120,
    resolvedAt: 540,
    labels: { reason: "connections" },
    description:
      "Gateways refuse 1.00 connections a second for the reason connections. The clients did nothing wrong.",
  },
  {
    alert: "ClientsRejected",
    step: STEP,
    series: {
      [seriesName("ws_connections_total", G1)]: counter([1, 960]),
      [seriesName("ws_connections_rejected_total", { ...G1, reason: "token" })]: counter([1, 660], [0, 300]),
    },
    conditionAt: 45, // before, too few connections are refused
    resolvedAt: 900,
    description:
      "50% of all connection attempts are refused because of their token, origin, path or number of connections (alert threshold: 20%). Usual causes: wrong signing keys or a broken page.",
  },
  {
    alert: "HighDropRate",
    step: STEP,
    series: {
      [seriesName("ws_messages_sent_total", { ...G1, event: "trade" })]: counter([98, 660]),
      [seriesName("ws_messages_dropped_total", { ...G1, reason: "throttled", priority: "low" })]: counter(
        [2, 180],
        [0, 480],
      ),
    },
    conditionAt: 15,
    resolvedAt: 495,
    labels: { instance: "g1" },
    description: "g1 drops 2% of its deliveries (alert threshold: 1%).",
  },
  {
    alert: "HighLatency",
    step: STEP,
    series: {
      [seriesName("ws_message_latency_seconds_bucket", { ...G1, le: "0.25" })]: counter([0, 360], [100, 360]),
      [seriesName("ws_message_latency_seconds_bucket", { ...G1, le: "0.5" })]: counter([100, 720]),
      [seriesName("ws_message_latency_seconds_bucket", { ...G1, le: "+Inf" })]: counter([100, 720]),
    },
    conditionAt: 15,
    resolvedAt: 675,
    labels: { instance: "g1", quantile: "0.99" },
    description:
      "A message takes 497.5ms from publishing to the write into the socket on g1 (99th percentile, alert threshold: 0.25 s).",
  },
];
