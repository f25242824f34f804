import { type AlertCase, counter, G1, gauge, gaugeCase, of, STEP } from "./alert-case.fixture.ts";

const EXPORTER = { job: "nats", instance: "monitoring" };
const SERVER = { job: "nats", instance: "nats", server_id: "nats-0" };

/** What makes the alerts on NATS fire. */
export const NATS_CASES: readonly AlertCase[] = [
  {
    alert: "NatsUnreachable",
    step: STEP,
    series: {
      [of("ws_nats_connected", G1)]: gauge([1, 120], [0, 90], [1, 180]),
      [of("ws_nats_connected", { ...G1, instance: "g2" })]: gauge([1, 390]),
    },
    beyond: 120,
    over: 345, // connected again at 210, and two minutes
    labels: G1,
    description: "ws_nats_connected is 0 on g1: its clients get no messages.",
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
      [of("up", G1)]: gauge([1, 540]),
      [of("ws_stream_messages_total", { ...G1, event: "trade" })]: counter([10, 120], [0, 360], [10, 60]),
    },
    beyond: 150, // a window of a minute without a message
    over: 480,
    description: "Gateways read 0.00 messages a second for 5m: NATS is there, the publishers are not.",
  },
  {
    alert: "StreamSilent", // since the fleet has started
    step: STEP,
    series: {
      [of("up", G1)]: gauge([undefined, 60], [1, 480]),
      [of("ws_stream_messages_total", {
        ...G1,
        event: "trade",
      })]: `${gauge([undefined, 420])} ${counter([10, 120])}`,
    },
    beyond: 60,
    over: 435,
    description: "Gateways read 0.00 messages a second for 5m: NATS is there, the publishers are not.",
  },
  {
    alert: "NatsServerDown",
    step: STEP,
    series: {
      [of("up", EXPORTER)]: gauge([1, 420]),
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
      [of("up", EXPORTER)]: gauge([1, 420]),
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
];
