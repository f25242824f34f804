/** Every name that stands in a rule or a dashboard: the gateway's own come from its code, so that a renamed one fails the type check. */

import { METRIC, type Metrics } from "@odin-ws/server/metrics";
import type { Counter } from "prom-client";

export { METRIC };

type LabelOf<Name extends keyof Metrics> = Metrics[Name] extends Counter<infer Label> ? Label : never;

/** Labels of the gateway's metrics. */
export const LABEL = {
  refusal: "reason" satisfies LabelOf<"connectionsRejected">,
  closeCode: "code" satisfies LabelOf<"disconnects">,
  messageType: "type" satisfies LabelOf<"messagesReceived">,
  streamEvent: "event" satisfies LabelOf<"streamMessages">,
  sentEvent: "event" satisfies LabelOf<"messagesSent">,
  dropReason: "reason" satisfies LabelOf<"messagesDropped">,
  priority: "priority" satisfies LabelOf<"messagesDropped">,
  replayResult: "result" satisfies LabelOf<"replays">,
  resumeResult: "result" satisfies LabelOf<"resumes">,
  fromLevel: "from_level" satisfies LabelOf<"throttleTransitions">,
  toLevel: "to_level" satisfies LabelOf<"throttleTransitions">,
  encoding: "encoding" satisfies LabelOf<"bytesSent">,
} as const;

/** Names that are not the gateway's code's: of Prometheus itself, of prom-client's defaults, of the exporters. */
export const OTHER_METRIC = {
  /** 1 while a target answers. */
  up: "up",
  /** Average of the 99th percentiles of a gateway's processes, since the last scrape. */
  eventLoopLag: "nodejs_eventloop_lag_p99_seconds",
  eventLoopLagMax: "nodejs_eventloop_lag_max_seconds",
  /** Of all processes of a gateway; falls when the gateway starts anew, not when one of its workers does. */
  cpuSeconds: "process_cpu_seconds_total",
  heapUsed: "nodejs_heap_size_used_bytes",
  /** 0 is healthy. Absent while the server does not answer: others of the exporter's go on with their last value. */
  natsHealth: "gnatsd_healthz_status",
  natsConnections: "gnatsd_varz_connections",
  natsSlowConsumers: "gnatsd_varz_slow_consumers",
  natsMessagesIn: "gnatsd_varz_in_msgs",
  natsMessagesOut: "gnatsd_varz_out_msgs",
  natsBytesIn: "gnatsd_varz_in_bytes",
  natsBytesOut: "gnatsd_varz_out_bytes",
  natsMemory: "gnatsd_varz_mem",
  natsCpu: "gnatsd_varz_cpu",
  jetstreamBytes: "jetstream_server_total_message_bytes",
  jetstreamMaxBytes: "jetstream_server_max_storage",
  streamMessages: "jetstream_stream_total_messages",
  streamBytes: "jetstream_stream_total_bytes",
  streamLastSequence: "jetstream_stream_last_seq",
  streamConsumers: "jetstream_stream_consumer_count",
  diskAvailable: "node_filesystem_avail_bytes",
  diskSize: "node_filesystem_size_bytes",
  machineMemoryAvailable: "node_memory_MemAvailable_bytes",
  machineMemory: "node_memory_MemTotal_bytes",
  machineCpu: "node_cpu_seconds_total",
  /** Seconds since 1970. */
  certificateEnd: "probe_ssl_earliest_cert_expiry",
  /** 1 while a probe gets through: a TLS handshake with a certificate that is valid. */
  probeSuccess: "probe_success",
  prometheusReloaded: "prometheus_config_last_reload_successful",
  alertmanagerReloaded: "alertmanager_config_last_reload_successful",
  notificationsFailed: "alertmanager_notifications_failed_total",
  /** Label `mechanism`. */
  discoveryFailures: "prometheus_sd_refresh_failures_total",
  /** Label `rule_group`: file and group. */
  ruleFailures: "prometheus_rule_evaluation_failures_total",
} as const;

/** Values of the label `job`, one for each kind of target. */
export const JOB = {
  gateway: "gateway",
  /** prometheus-nats-exporter with -varz -healthz -jsz=streams. */
  nats: "nats",
  /** The monitoring VM, by Alloy. */
  machine: "node",
  /** The TLS entrance, by Alloy's blackbox exporter. */
  entrance: "entrance",
  prometheus: "prometheus",
  alertmanager: "alertmanager",
  loki: "loki",
} as const;

/** The file systems of the monitoring VM that can fill up: metrics and logs, and the system's own. */
export const DISKS = "/mnt/disks/data|/mnt/stateful_partition";

/**
 * Why a connection is refused, by who is to do something about it:
 * - `ours`: the gateway is full, or cannot check tokens
 * - `planned`: a gateway that is being replaced; the client finds the next one
 * - `client`: what the client did
 */
export const REFUSALS = {
  ours: ["connections", "cpu", "memory", "keys"],
  planned: ["draining"],
  client: ["path", "handshake", "origin", "token", "per_ip", "per_user"],
} as const;
