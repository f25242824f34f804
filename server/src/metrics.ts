/** Every metric of the gateway. Only this file contains their names; dashboards and alerts import them. */

import { GLOBAL_EVENTS, isKnownEvent, TOKEN_EVENTS } from "@odin-ws/protocol";
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from "prom-client";
import { BusiestTokens } from "./busiest-tokens.ts";
import { ENCODINGS } from "./delivery/frame.ts";
import { REFUSAL_REASONS } from "./entrance/admission.ts";

/** Upper bounds of histogram buckets, in the unit of the name. */
const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const DURATION_BUCKETS_SECONDS = [1, 10, 60, 300, 900, 3600, 14_400, 86_400];
const COUNT_BUCKETS = [0, 1, 2, 5, 10, 25, 50, 100, 256];
const AUDIENCE_BUCKETS = [1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000];
const BROADCAST_BUCKETS_SECONDS = [
  0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
];

/** Names of the metrics in `/metrics`. */
export const METRIC = {
  connectionsCurrent: "ws_connections_current",
  connectionsTotal: "ws_connections_total",
  connectionsRejected: "ws_connections_rejected_total",
  disconnects: "ws_disconnects_total",
  connectionDuration: "ws_connection_duration_seconds",
  messagesReceived: "ws_messages_received_total",
  streamMessages: "ws_stream_messages_total",
  busiestTokens: "ws_busiest_token_messages",
  messagesSent: "ws_messages_sent_total",
  messagesDropped: "ws_messages_dropped_total",
  conflated: "ws_conflated_total",
  messageLatency: "ws_message_latency_seconds",
  broadcastDuration: "ws_broadcast_duration_seconds",
  subscriptionsPerClient: "ws_subscriptions_per_client",
  subscribersPerChannel: "ws_subscribers_per_channel",
  replays: "ws_replays_total",
  resumes: "ws_resumes_total",
  throttledLight: "ws_throttled_clients_light",
  throttledMedium: "ws_throttled_clients_medium",
  throttledHeavy: "ws_throttled_clients_heavy",
  throttleTransitions: "ws_throttle_transitions_total",
  bytesSent: "ws_bytes_sent_total",
  writes: "ws_writes_total",
  cpuUsage: "ws_cpu_usage_percent",
  memoryUsage: "ws_memory_usage_bytes",
  capacityRatio: "ws_capacity_ratio",
  natsConnected: "ws_nats_connected",
  natsLag: "ws_nats_lag_messages",
  natsLagSeconds: "ws_nats_lag_seconds",
  regionLag: "ws_region_lag_messages",
  regionConnected: "ws_region_connected",
  natsPaused: "ws_nats_paused",
  draining: "ws_draining",
  userLimitAlone: "ws_user_limit_alone",
  userLimitGateways: "ws_user_limit_gateways",
  userSeatClaims: "ws_user_seat_claims_total",
  logLinesLost: "ws_log_lines_lost_total",
  logLinesLeftOut: "ws_log_lines_left_out_total",
} as const;

/** Unknown events share one label: otherwise publishers could add any number of series. */
export const eventLabel = (event: string): string => (isKnownEvent(event) ? event : "other");

export type Metrics = ReturnType<typeof createMetrics>;

/** Creates the metrics of one process. `/metrics` shows the sums over all processes of the VM. */
export function createMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const counter = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    known: string[] = [],
  ) => {
    const made = new Counter({ name, help, labelNames, registers });
    // A series that appears with its first event has no rate for this event, so series with known labels
    // start at 0.
    for (const value of known) made.inc({ [labelNames[0] as Label]: value } as Record<Label, string>, 0);
    return made;
  };
  const byEncoding = (name: string, help: string) => {
    const made = counter(name, help, ["encoding", "event"]);
    for (const encoding of ENCODINGS) {
      for (const event of [...TOKEN_EVENTS, ...GLOBAL_EVENTS]) made.inc({ encoding, event }, 0);
    }
    return made;
  };
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers });
  collectDefaultMetrics({ register: registry });
  return {
    connectionsCurrent: gauge(METRIC.connectionsCurrent, "Open connections"),
    connectionsTotal: counter(METRIC.connectionsTotal, "Accepted connections", []),
    connectionsRejected: counter(
      METRIC.connectionsRejected,
      "Connections refused before the upgrade",
      ["reason"],
      [...REFUSAL_REASONS],
    ),
    disconnects: counter(METRIC.disconnects, "Closed connections, by close code", ["code"]),
    connectionDuration: histogram(
      METRIC.connectionDuration,
      "Duration of a connection",
      DURATION_BUCKETS_SECONDS,
    ),
    messagesReceived: counter(METRIC.messagesReceived, "Messages from clients", ["type"]),
    streamMessages: counter(METRIC.streamMessages, "Messages read from the source", ["event"]),
    busiestTokens: new BusiestTokens(registry, {
      name: METRIC.busiestTokens,
      help: "Messages read in the last five minutes, for the ten tokens that had the most",
    }),
    messagesSent: byEncoding(METRIC.messagesSent, "Envelopes written to clients"),
    messagesDropped: counter(METRIC.messagesDropped, "Dropped deliveries, by reason", ["reason", "priority"]),
    conflated: counter(
      METRIC.conflated,
      "Messages that a newer one of their channel replaced before they were sent: max_rate, policy conflate",
      ["event"],
    ),
    messageLatency: new WeightedHistogram(registry, {
      name: METRIC.messageLatency,
      help: "Time from publish to socket write, for each delivery",
      buckets: LATENCY_BUCKETS_SECONDS,
    }),
    broadcastDuration: histogram(
      METRIC.broadcastDuration,
      "Time to write one message, and the messages of the same turn, to all subscribers",
      BROADCAST_BUCKETS_SECONDS,
    ),
    subscriptionsPerClient: histogram(
      METRIC.subscriptionsPerClient,
      "Channels of a connection after each subscribe",
      COUNT_BUCKETS,
    ),
    subscribersPerChannel: histogram(
      METRIC.subscribersPerChannel,
      "Deliveries of each message",
      AUDIENCE_BUCKETS,
    ),
    replays: counter(
      METRIC.replays,
      "Replay requests; complete: all messages were in the replay buffer",
      ["result"],
      ["complete", "partial"],
    ),
    resumes: counter(
      METRIC.resumes,
      "Subscribe requests with since; recovered: all messages were in the history",
      ["result"],
      ["recovered", "lost"],
    ),
    throttledLight: gauge(METRIC.throttledLight, "Connections at throttle level 1"),
    throttledMedium: gauge(METRIC.throttledMedium, "Connections at throttle level 2"),
    throttledHeavy: gauge(METRIC.throttledHeavy, "Connections at throttle level 3"),
    throttleTransitions: counter(METRIC.throttleTransitions, "Changes of throttle level", [
      "from_level",
      "to_level",
    ]),
    bytesSent: byEncoding(METRIC.bytesSent, "Bytes of envelopes, including frame headers"),
    writes: counter(METRIC.writes, "Writes to sockets of clients; one write may carry many messages", []),
    cpuUsage: gauge(METRIC.cpuUsage, "CPU of all processes in percent of WS_CPU_LIMIT"),
    memoryUsage: gauge(METRIC.memoryUsage, "Resident memory (RSS) of all processes"),
    capacityRatio: gauge(METRIC.capacityRatio, "Open connections divided by WS_MAX_CONNECTIONS"),
    natsConnected: gauge(METRIC.natsConnected, "1 while the message source is connected"),
    natsLag: gauge(METRIC.natsLag, "Messages in the stream that were not read yet"),
    natsLagSeconds: gauge(
      METRIC.natsLagSeconds,
      "Time since this region had everything that the home region had, about 2 s when nothing is wrong; 0 in the home region",
    ),
    regionLag: gauge(
      METRIC.regionLag,
      "Messages that the home region had at its last answer and this region had not; 0 in the home region",
    ),
    regionConnected: gauge(
      METRIC.regionConnected,
      "1 while the home region answers this region; always 1 in the home region",
    ),
    natsPaused: gauge(METRIC.natsPaused, "1 while reading is paused because of high CPU usage"),
    draining: gauge(METRIC.draining, "1 while the gateway disconnects its clients before it stops"),
    userLimitAlone: gauge(
      METRIC.userLimitAlone,
      "1 while the connections of a user to other gateways cannot be counted",
    ),
    userLimitGateways: gauge(
      METRIC.userLimitGateways,
      "Gateways that count the connections of a user together, with this one; 0: they are not counted together",
    ),
    userSeatClaims: counter(
      METRIC.userSeatClaims,
      "Answers to the question whether a user may have another connection; unanswered, alone: yes, without an answer",
      ["result"],
      ["granted", "refused", "unanswered", "alone"],
    ),
    logLinesLeftOut: counter(
      METRIC.logLinesLeftOut,
      "Log lines about connections left out because of LOG_CONNECTIONS_PER_SECOND",
      ["event"],
      ["opened", "refused", "throttled", "closed"],
    ),
    logLinesLost: counter(METRIC.logLinesLost, "Log lines lost because stdout did not accept lines", []),
  };
}

/**
 * A histogram that takes one observation for many deliveries. A Histogram of prom-client takes them one at a
 * time, which would cost more than the deliveries themselves.
 */
export class WeightedHistogram {
  readonly #name: string;
  readonly #help: string;
  readonly #buckets: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(registry: Registry, options: { name: string; help: string; buckets: readonly number[] }) {
    this.#name = options.name;
    this.#help = options.help;
    this.#buckets = options.buckets;
    this.#counts = new Array(options.buckets.length + 1).fill(0);
    registry.registerMetric(this as unknown as Histogram);
  }

  /** Read by prom-client's registry. */
  get name(): string {
    return this.#name;
  }

  observe(value: number, weight: number): void {
    let bucket = 0;
    while (bucket < this.#buckets.length && value > (this.#buckets[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + weight;
    this.#sum += value * weight;
  }

  /** Called by prom-client's registry for the current values. */
  get(): unknown {
    let count = 0;
    const values: { labels: Record<string, number | string>; value: number; metricName: string }[] = [];
    for (const [index, le] of [...this.#buckets, "+Inf"].entries()) {
      count += this.#counts[index] as number;
      values.push({ labels: { le }, value: count, metricName: `${this.#name}_bucket` });
    }
    values.push({ labels: {}, value: this.#sum, metricName: `${this.#name}_sum` });
    values.push({ labels: {}, value: count, metricName: `${this.#name}_count` });
    return { name: this.#name, help: this.#help, type: "histogram", values, aggregator: "sum" };
  }

  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
  }
}
