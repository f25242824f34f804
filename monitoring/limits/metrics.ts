/**
 * All names of metrics and labels that rules and dashboards use. Names of the gateway's and the
 * publisher's metrics come from their code, so that a renamed metric fails the type check.
 */

import { PUBLISHER_METRIC } from "@odin-ws/publisher/metrics";
import { METRIC, type Metrics } from "@odin-ws/server/metrics";
import type { Counter } from "prom-client";

export { METRIC, PUBLISHER_METRIC };

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
  /** Region of a gateway, from Prometheus. Only with several regions. */
  region: "region",
  /** Label of `busiestTokens`. */
  token: "token",
  claimResult: "result" satisfies LabelOf<"userSeatClaims">,
  encoding: "encoding" satisfies LabelOf<"bytesSent"> & LabelOf<"messagesSent">,
} as const;

/**
 * Metrics that the gateway's code does not define: of Prometheus, of the defaults of prom-client, of
 * exporters and of other programs.
 */
export const OTHER_METRIC = {
  /** 1 while a target answers Prometheus, otherwise 0. */
  up: "up",
  /** Average of the 99th percentiles of a gateway's processes since the last scrape, seconds. */
  eventLoopLag: "nodejs_eventloop_lag_p99_seconds",
  eventLoopLagMax: "nodejs_eventloop_lag_max_seconds",
  /**
   * CPU seconds of all processes of a gateway. The counter resets when the gateway restarts, but not when one
   * of its workers restarts.
   */
  cpuSeconds: "process_cpu_seconds_total",
  heapUsed: "nodejs_heap_size_used_bytes",
  /** Seconds that a gateway's processes have collected garbage. Label `kind`. */
  gcSeconds: "nodejs_gc_duration_seconds_sum",
  /**
   * 0 while a NATS server is healthy. The series is absent while the server does not answer; the exporter's
   * other series keep their last value then.
   */
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
  machineSockets: "node_sockstat_TCP_inuse",
  machineReceived: "node_network_receive_bytes_total",
  machineSent: "node_network_transmit_bytes_total",
  /** Connections that the kernel dropped before a program accepted them: all, and full accept queues. */
  listenDrops: "node_netstat_TcpExt_ListenDrops",
  listenOverflows: "node_netstat_TcpExt_ListenOverflows",
  /** SYN packets that the kernel dropped because its queue was full, and SYN cookies that it sent instead. */
  synDrops: "node_netstat_TcpExt_TCPReqQFullDrop",
  synCookies: "node_netstat_TcpExt_SyncookiesSent",
  conntrack: "node_nf_conntrack_entries",
  conntrackLimit: "node_nf_conntrack_entries_limit",
  /** Seconds since 1970. */
  certificateEnd: "probe_ssl_earliest_cert_expiry",
  /** 1 while the probe succeeds: a TLS handshake with a valid certificate. */
  probeSuccess: "probe_success",
  /** Seconds since 1970: the first end of a certificate in the chain, including that of the CA. */
  chainEnd: "probe_ssl_last_chain_expiry_timestamp_seconds",
  prometheusReloaded: "prometheus_config_last_reload_successful",
  alertmanagerReloaded: "alertmanager_config_last_reload_successful",
  /** Chunks that Loki could not write to its bucket. Loki keeps them, and tries again. */
  logFlushFailures: "loki_ingester_chunks_flush_failures_total",
  notificationsFailed: "alertmanager_notifications_failed_total",
  /** Label `mechanism`. */
  discoveryFailures: "prometheus_sd_refresh_failures_total",
  /** Label `rule_group`: file name and name of the group. */
  ruleFailures: "prometheus_rule_evaluation_failures_total",
} as const;

/** Values of the label `job`, one for each kind of target. */
export const JOB = {
  gateway: "gateway",
  /** prometheus-nats-exporter, started with -varz -healthz -jsz=streams. */
  nats: "nats",
  /** The publisher's service. */
  publisher: "publisher",
  /** Machines: gateways, NATS and monitoring; Alloy exports their metrics. */
  machine: "node",
  /** The TLS entrance, probed by Alloy's blackbox exporter. */
  entrance: "entrance",
  /** The certificates of the stack's own NATS servers, probed by Alloy's blackbox exporter. */
  natsCertificate: "nats-certificate",
  prometheus: "prometheus",
  alertmanager: "alertmanager",
  loki: "loki",
} as const;

/** Regular expression for file systems that can fill up: a machine's data disk, and the system's disk. */
export const DISKS = "/mnt/disks/data|/mnt/stateful_partition";

/**
 * Reasons for which a gateway refuses a connection, by who must act:
 * - `ours`: the gateway is full or overloaded, cannot check tokens or does not know the stream; the operators
 *   must act
 * - `planned`: the gateway is being replaced; nobody must act, because the client connects to another gateway
 * - `client`: the client sent something wrong, or opened too many connections
 */
export const REFUSALS = {
  ours: ["connections", "cpu", "memory", "keys", "sockets", "handshakes", "history"],
  planned: ["draining"],
  client: ["path", "handshake", "origin", "token", "per_ip", "per_user"],
} as const;
