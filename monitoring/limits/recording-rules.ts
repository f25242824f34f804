import type { MonitoringOptions } from "../options.ts";
import { JOB, LABEL, METRIC, OTHER_METRIC, REFUSALS } from "./metrics.ts";
import {
  type BadEvents,
  BURN_RATES,
  badEventsFor,
  errorCountName,
  errorRatioName,
  eventRateName,
  IN_TIME_SECONDS,
  LONG_WINDOWS,
  SHORT_WINDOWS,
  SLO_NAMES,
  type SloName,
} from "./slos.ts";
import { THRESHOLDS } from "./thresholds.ts";

/** A recording rule in Prometheus's format: stores the result of a query under a name. */
export interface RecordingRule {
  record: string;
  expr: string;
  labels?: Record<string, string>;
}

/** Rules that Prometheus evaluates in their order. */
export interface RuleGroup<Rule> {
  name: string;
  /** Time between two evaluations. Default: the interval of Prometheus's configuration, 15 s. */
  interval?: string;
  rules: Rule[];
}

const RATE = THRESHOLDS.dropRate.window; // "5m"

/**
 * Names of recorded series, in the form level:metric:operations. Level `instance` is one gateway, level
 * `fleet` is all gateways. A label that the series keeps is part of the level: `fleet_reason` has the label
 * `reason`.
 */
export const RECORD = {
  /** Gateways that Prometheus knows, whether they answer or not. */
  gateways: "fleet:gateways:count",
  gatewaysUp: "fleet:gateways_up:count",
  /** Gateways that answer Prometheus but cannot reach NATS. */
  gatewaysWithoutNats: "fleet:gateways_without_nats:count",
  connections: "fleet:ws_connections_current:sum",
  /** Connections that all running gateways together accept. */
  connectionsLimit: "fleet:ws_connections_limit:sum",
  /** Share of this limit that is in use. */
  connectionsUsed: "fleet:ws_connections_current:ratio",
  /** The highest number of open connections within an hour, for trends. */
  connectionsPeak: "fleet:ws_connections_current:max1h",
  instanceConnects: "instance:ws_connections:rate5m",
  connects: "fleet:ws_connections:rate5m",
  /** Label `reason`. */
  rejections: "fleet_reason:ws_connections_rejected:rate5m",
  /**
   * Messages a second in the stream: the maximum over the gateways, because every gateway reads all messages.
   * Label `event`.
   */
  streamMessages: "fleet_event:ws_stream_messages:rate5m",
  instanceDeliveries: "instance:ws_messages_sent:rate5m",
  deliveries: "fleet:ws_messages_sent:rate5m",
  /** Label `event`. */
  deliveriesByEvent: "fleet_event:ws_messages_sent:rate5m",
  instanceDrops: "instance:ws_messages_dropped:rate5m",
  /** Label `reason`. */
  dropsByReason: "fleet_reason:ws_messages_dropped:rate5m",
  /** Share of the deliveries that are dropped. */
  instanceDropRatio: "instance:ws_messages_dropped:ratio_rate5m",
  dropRatio: "fleet:ws_messages_dropped:ratio_rate5m",
  instanceBytes: "instance:ws_bytes_sent:rate5m",
  bytes: "fleet:ws_bytes_sent:rate5m",
  instanceWrites: "instance:ws_writes:rate5m",
  writes: "fleet:ws_writes:rate5m",
  /** Labels `instance`, `le`. */
  latencyBuckets: "instance_le:ws_message_latency_seconds_bucket:rate5m",
  /** Label `quantile`: 0.5, 0.95, 0.99. */
  instanceLatency: "instance_quantile:ws_message_latency_seconds:histogram_quantile",
  latency: "fleet_quantile:ws_message_latency_seconds:histogram_quantile",
  /** Share of WS_MEMORY_LIMIT. */
  instanceMemory: "instance:ws_memory_usage:ratio",
  /** Gateways of each region that answer Prometheus; 0 for a region without gateways. Label `region`. */
  regionGatewaysUp: "region:gateways_up:count",
  /** Label `region`. */
  regionConnections: "region:ws_connections_current:sum",
  /** Share of the connections that the running gateways of a region accept. Label `region`. */
  regionConnectionsUsed: "region:ws_connections_current:ratio",
  /** 99th percentile. Label `region`. */
  regionLatency: "region:ws_message_latency_seconds:p99",
} as const;

export const QUANTILES = ["0.5", "0.95", "0.99"] as const;

/** Queries that several alerts and dashboards use, and the error ratios of the objectives. */
export function recordingRules(options: MonitoringOptions): RuleGroup<RecordingRule>[] {
  return [
    { name: "odin-fleet", rules: fleet(options) },
    { name: "odin-traffic", rules: traffic() },
    { name: "odin-latency", rules: latency() },
    ...(options.regions === undefined
      ? []
      : [{ name: "odin-by-region", rules: regional(options.regions, options) }]),
    ...objectives(),
  ];
}

const GATEWAY_UP = `${OTHER_METRIC.up}{job="${JOB.gateway}"}`;

function fleet({ maxConnections, memoryLimitBytes }: MonitoringOptions): RecordingRule[] {
  return [
    { record: RECORD.gateways, expr: `count(${GATEWAY_UP}) or vector(0)` },
    { record: RECORD.gatewaysUp, expr: `count(${GATEWAY_UP} == 1) or vector(0)` },
    { record: RECORD.gatewaysWithoutNats, expr: `count(${METRIC.natsConnected} == 0) or vector(0)` },
    { record: RECORD.connections, expr: `sum(${METRIC.connectionsCurrent}) or vector(0)` },
    { record: RECORD.connectionsLimit, expr: `${RECORD.gatewaysUp} * ${maxConnections}` },
    {
      record: RECORD.connectionsUsed,
      expr: `${RECORD.connections} / (${RECORD.connectionsLimit} > 0)`,
    },
    { record: RECORD.connectionsPeak, expr: `max_over_time(${RECORD.connections}[1h])` },
    { record: RECORD.instanceMemory, expr: `${METRIC.memoryUsage} / ${memoryLimitBytes}` },
  ];
}

function regional(regions: readonly string[], { maxConnections }: MonitoringOptions): RecordingRule[] {
  const by = LABEL.region;
  // A region without a gateway has no series of its own: the vectors add a 0.
  const none = regions.map((region) => `label_replace(vector(0), "${by}", "${region}", "", "")`);
  return [
    {
      record: RECORD.regionGatewaysUp,
      expr: [`count by (${by}) (${GATEWAY_UP} == 1)`, ...none].join(" or "),
    },
    { record: RECORD.regionConnections, expr: `sum by (${by}) (${METRIC.connectionsCurrent})` },
    {
      record: RECORD.regionConnectionsUsed,
      expr: `${RECORD.regionConnections} / on (${by}) (${RECORD.regionGatewaysUp} * ${maxConnections} > 0)`,
    },
    {
      record: RECORD.regionLatency,
      expr: `histogram_quantile(0.99, sum by (${by}, le) (rate(${METRIC.messageLatency}_bucket[${RATE}])))`,
    },
  ];
}

function traffic(): RecordingRule[] {
  const perInstance = (metric: string) => `sum by (instance) (rate(${metric}[${RATE}]))`;
  const by = (label: string, metric: string) => `sum by (${label}) (rate(${metric}[${RATE}]))`;
  return [
    { record: RECORD.instanceConnects, expr: perInstance(METRIC.connectionsTotal) },
    { record: RECORD.connects, expr: `sum(${RECORD.instanceConnects})` },
    { record: RECORD.rejections, expr: by(LABEL.refusal, METRIC.connectionsRejected) },
    {
      record: RECORD.streamMessages,
      expr: `max by (${LABEL.streamEvent}) (rate(${METRIC.streamMessages}[${RATE}]))`,
    },
    { record: RECORD.instanceDeliveries, expr: perInstance(METRIC.messagesSent) },
    { record: RECORD.deliveries, expr: `sum(${RECORD.instanceDeliveries})` },
    { record: RECORD.deliveriesByEvent, expr: by(LABEL.sentEvent, METRIC.messagesSent) },
    // A gateway that has not dropped anything yet has no series of drops: the second half adds a 0.
    {
      record: RECORD.instanceDrops,
      expr: `${perInstance(METRIC.messagesDropped)} or ${RECORD.instanceDeliveries} * 0`,
    },
    // At least one reason, so that a graph without drops shows a line at 0.
    {
      record: RECORD.dropsByReason,
      expr: `${by(LABEL.dropReason, METRIC.messagesDropped)} or label_replace(vector(0), "${LABEL.dropReason}", "throttled", "", "")`,
    },
    { record: RECORD.instanceDropRatio, expr: dropRatio(RECORD.instanceDrops, RECORD.instanceDeliveries) },
    // Before the first message no gateway has a series of deliveries.
    {
      record: RECORD.dropRatio,
      expr: `${dropRatio(`sum(${RECORD.instanceDrops})`, RECORD.deliveries)} or vector(0)`,
    },
    { record: RECORD.instanceBytes, expr: perInstance(METRIC.bytesSent) },
    { record: RECORD.bytes, expr: `sum(${RECORD.instanceBytes})` },
    { record: RECORD.instanceWrites, expr: perInstance(METRIC.writes) },
    { record: RECORD.writes, expr: `sum(${RECORD.instanceWrites})` },
  ];
}

/** Dropped deliveries divided by all deliveries; 0 while there are no deliveries. */
function dropRatio(drops: string, deliveries: string): string {
  return `${drops} / (${drops} + ${deliveries} > 0) or ${deliveries} * 0`;
}

function latency(): RecordingRule[] {
  const buckets = `sum by (instance, le) (rate(${METRIC.messageLatency}_bucket[${RATE}]))`;
  return [
    { record: RECORD.latencyBuckets, expr: buckets },
    ...QUANTILES.flatMap((quantile) => [
      {
        record: RECORD.instanceLatency,
        expr: `histogram_quantile(${quantile}, ${RECORD.latencyBuckets})`,
        labels: { quantile },
      },
      {
        record: RECORD.latency,
        expr: `histogram_quantile(${quantile}, sum by (le) (${RECORD.latencyBuckets}))`,
        labels: { quantile },
      },
    ]),
  ];
}

/**
 * For each objective: error ratios over all windows, numbers of bad events in the windows of alerts, and the
 * rates that budgets sum up.
 */
function objectives(): RuleGroup<RecordingRule>[] {
  const ofWindows = (windows: readonly string[]) =>
    SLO_NAMES.flatMap((slo) => windows.flatMap((window) => objective(slo, window)));
  return [
    { name: "odin-slos", rules: [...SLO_NAMES.flatMap(budget), ...ofWindows(SHORT_WINDOWS)] },
    { name: "odin-slos-long", interval: "3m", rules: ofWindows(LONG_WINDOWS) },
  ];
}

function budget(slo: SloName): RecordingRule[] {
  const { errors, events } = EVENTS[slo]("rate", SHORT_WINDOWS[0]);
  return [
    { record: eventRateName(slo, "errors"), expr: errors },
    { record: eventRateName(slo, "events"), expr: events },
  ];
}

function objective(slo: SloName, window: string): RecordingRule[] {
  const rate = EVENTS[slo]("rate", window);
  const increase = EVENTS[slo]("increase", window);
  const alerts = BURN_RATES.filter(({ long, short }) => long === window || short === window);
  const kinds = new Set<BadEvents>(["errors", ...alerts.map(({ severity }) => badEventsFor(slo, severity))]);
  return [
    ...[...kinds].map((bad) => ({
      record: errorRatioName(slo, window, bad),
      // 0 while there are no events
      expr: `(${rate[bad]}) / (${rate.events} > 0) or (${rate.events}) * 0`,
    })),
    ...alerts
      .filter(({ long }) => long === window)
      .map(({ severity }) => badEventsFor(slo, severity))
      .map((bad) => ({ record: errorCountName(slo, window, bad), expr: increase[bad] })),
  ];
}

type Events = Record<BadEvents | "events", string>;

/**
 * Queries for bad events and for all events of an objective: a second (`rate`) or in a window (`increase`).
 */
const EVENTS: Record<SloName, (over: "rate" | "increase", window: string) => Events> = {
  connections: (over, window) => {
    const sum = (metric: string) => `sum(${over}(${metric}[${window}]))`;
    const refused = (reasons: readonly string[]) =>
      sum(`${METRIC.connectionsRejected}{${LABEL.refusal}=~"${reasons.join("|")}"}`);
    const errors = refused([...REFUSALS.ours, ...REFUSALS.planned]);
    return {
      errors,
      faults: refused(REFUSALS.ours),
      events: `(${sum(METRIC.connectionsTotal)} + ${errors})`,
    };
  },
  latency: (over, window) => {
    const events = `sum(${over}(${METRIC.messageLatency}_count[${window}]))`;
    const inTime = `sum(${over}(${METRIC.messageLatency}_bucket{le="${IN_TIME_SECONDS}"}[${window}]))`;
    const errors = `${events} - ${inTime}`;
    return { errors, faults: errors, events };
  },
};
