/** The values at which alerts fire and at which dashboards draw a line, with their windows and severities. */
export interface Threshold {
  /** In `unit`. The alert's condition holds above this value, unless the row's comment says below. */
  value: number;
  /** Grafana's name of the unit. `percentunit` is a ratio: 0.9 is 90 %. */
  unit: "percent" | "percentunit" | "s" | "bytes" | "short";
  /** How long the condition must hold before the alert fires, for example `2m`. */
  for: string;
  /**
   * How long the alert keeps firing after its condition has ended, for example `2m`. Default: the alert ends
   * at once.
   */
  keepFiring?: string;
  /** Period over which a rate, quantile, maximum or prediction is computed. */
  window?: string;
  /** Bad events a second that there must be: a ratio of fewer events says nothing. */
  minRate?: number;
  /** Free part of the disk below which a trend matters. */
  freeBelow?: number;
  /** How old the data must be before a trend says something. */
  minHistory?: string;
  /**
   * A second condition, a rate over a longer window: catches short bursts that repeat and each end before
   * `for` has passed.
   */
  bursts?: { value: number; window: string };
  severity: Severity;
}

/** critical: wakes somebody up. warning: waits until the morning. info: is only recorded. */
export type Severity = "critical" | "warning" | "info";

export const THRESHOLDS = {
  /**
   * Number of gateways that answer Prometheus; the alert fires at 0, but only if a gateway has answered
   * within the window, because the first gateways of a deployment need minutes to start. The alert keeps
   * firing while autohealing recreates the gateways: meanwhile Prometheus does not know them.
   */
  gatewaysUp: {
    value: 0,
    unit: "short",
    for: "1m",
    keepFiring: "5m",
    window: "7d",
    severity: "critical",
  },
  /**
   * Number of gateways that Prometheus knows, whether they answer or not; the alert fires at 0. `for` covers
   * a restart of Prometheus, which finds gateways within a minute. The alert fires only if there was a
   * gateway within the window: a new deployment has none.
   */
  gatewaysKnown: { value: 0, unit: "short", for: "5m", window: "7d", severity: "critical" },
  /**
   * Gateways of a region that answer Prometheus; the alert fires at 0, but only if the region had a gateway
   * within the window, because a new region needs minutes. `for` covers a rollout of a small region.
   */
  regionGateways: { value: 0, unit: "short", for: "5m", window: "7d", severity: "critical" },
  /** The best `ws_region_connected` of a region's gateways; 0 when none of them hears the home region. */
  regionConnected: { value: 0, unit: "short", for: "1m", severity: "critical" },
  /**
   * Messages that the home region has and a region has not. A link between continents that is too slow, or a
   * server that cannot write fast enough, shows here first.
   */
  regionLag: { value: 1000, unit: "short", for: "2m", severity: "warning" },
  /**
   * Value of `up` of a gateway that does not answer. Autohealing normally replaces the gateway within `for`.
   */
  gatewayDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /**
   * Value of `ws_nats_connected` when NATS is unreachable; on a dashboard, the acceptable number of such
   * gateways. NATS restarts in seconds. The alert keeps firing 2 min after recovery, so that the alerts it
   * inhibits end first.
   */
  natsUnreachable: { value: 0, unit: "short", for: "30s", keepFiring: "2m", severity: "critical" },
  /**
   * Connections a second that are refused although the client did nothing wrong. A single refusal does not
   * last for the whole `for`. The value of `bursts` is nine refusals in five minutes.
   */
  rejections: {
    value: 0,
    unit: "short",
    for: "1m",
    window: "1m",
    bursts: { value: 0.03, window: "5m" },
    severity: "critical",
  },
  /**
   * Share of all connection attempts that are refused because of what the client sent. A single scanner stays
   * below `minRate`.
   */
  clientRejections: {
    value: 0.2,
    unit: "percentunit",
    for: "10m",
    window: "5m",
    minRate: 0.1,
    severity: "warning",
  },
  /** Open connections of a gateway divided by WS_MAX_CONNECTIONS. CPU and memory have their own rows. */
  capacity: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Share of a gateway's deliveries that are dropped. */
  dropRate: { value: 0.01, unit: "percentunit", for: "2m", window: "5m", severity: "warning" },
  /** Percent of WS_CPU_LIMIT. */
  cpu: { value: 80, unit: "percent", for: "2m", severity: "warning" },
  /** Share of WS_MEMORY_LIMIT. Above this value the gateway refuses new clients. */
  memory: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Difference between the number of gateways now and one window ago. */
  autoscaling: { value: 0, unit: "short", for: "0s", window: "5m", severity: "info" },
  /** Restarts of a gateway on the same VM. */
  restarts: { value: 2, unit: "short", for: "0s", window: "15m", severity: "warning" },
  /**
   * Delay of the event loop: 99th percentile, averaged over a gateway's processes. Every message waits that
   * long.
   */
  eventLoopLag: { value: 0.1, unit: "s", for: "5m", severity: "warning" },
  /** Messages in the stream that a gateway has not read yet. */
  natsLag: { value: 1000, unit: "short", for: "2m", severity: "warning" },
  /** `ws_nats_paused`: 1 while a gateway pauses reading because it is short of CPU. */
  natsPaused: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /**
   * `ws_user_limit_alone`: 1 while a gateway cannot count the connections of its users to other gateways.
   * `for` covers restarts of NATS.
   */
  userLimitAlone: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /**
   * Messages a second that gateways read; the alert fires at 0. The cause is the publishers, because an
   * unreachable NATS inhibits this alert. At night 0 is normal for a deployment without traffic.
   */
  streamRate: { value: 0, unit: "short", for: "5m", window: "1m", severity: "warning" },
  /** Time from publishing to the write into the socket, 99th percentile. */
  latency: { value: 0.25, unit: "s", for: "5m", window: "5m", severity: "warning" },
  /**
   * Value of `publisher_nats_connected` when the publisher cannot reach NATS. NATS restarts in seconds. The
   * alert keeps firing 2 min after recovery, so that the alerts it inhibits end first.
   */
  publisherConnected: { value: 0, unit: "short", for: "30s", keepFiring: "2m", severity: "critical" },
  /** Events a second that the publisher loses: NATS refuses them, or the queue is full. */
  publisherLoss: { value: 0, unit: "short", for: "1m", window: "5m", severity: "warning" },
  /** Time from publishing to the acknowledgement of the stream, 99th percentile. */
  publisherLatency: { value: 0.25, unit: "s", for: "5m", window: "5m", severity: "warning" },
  /** Seconds until the publisher's credentials for NATS expire; the alert fires below 30 days. */
  publisherCredentials: { value: 30 * 86_400, unit: "s", for: "1h", severity: "warning" },
  /** Share of the publisher's queue in use, by events or by bytes. */
  publisherQueueUse: { value: 0.5, unit: "percentunit", for: "1m", severity: "warning" },
  /** `ws_draining`: 1 while a gateway drains. `for` is much longer than a drain takes in a rollout. */
  draining: { value: 0, unit: "short", for: "10m", severity: "warning" },
  /**
   * Number of the deployment's own NATS servers that are not healthy. A cluster of three still works without
   * one server.
   */
  natsServersDown: { value: 0, unit: "short", for: "2m", severity: "warning" },
  /** Share of JetStream's file storage that is in use. */
  jetstreamStorage: { value: 0.9, unit: "percentunit", for: "5m", severity: "warning" },
  /** Clients that NATS disconnected because they did not keep up. */
  natsSlowConsumers: { value: 0, unit: "short", for: "0s", window: "10m", severity: "warning" },
  /**
   * Predicted free bytes of a disk in 24 h; the alert fires below the value. `minHistory` and `freeBelow`
   * prevent a false alarm after the set-up of a machine, which writes a lot once.
   */
  diskFull: {
    value: 0,
    unit: "bytes",
    for: "1h",
    window: "6h",
    minHistory: "3h",
    freeBelow: 0.4,
    severity: "warning",
  },
  /**
   * Connections a second that a machine's kernel drops before a program accepts them. Clients wait and try
   * again. A burst of a rollout may drop a few.
   */
  kernelDrops: { value: 1, unit: "short", for: "5m", window: "5m", severity: "warning" },
  /** Share of the kernel's table of connections in use. A full table drops packets of new connections. */
  conntrack: { value: 0.8, unit: "percentunit", for: "5m", severity: "warning" },
  /** Available part of a machine's memory; the alert fires below the value. */
  machineMemory: { value: 0.05, unit: "percentunit", for: "5m", severity: "warning" },
  /** Free part of a disk, whatever the trend; the alert fires below the value. */
  diskLeft: { value: 0.05, unit: "percentunit", for: "5m", severity: "critical" },
  /**
   * Seconds until the certificate expires; the alert fires below 21 days. Google renews a certificate a month
   * before its end. The alert keeps firing for an hour, because a failed probe reports no certificate.
   */
  certificate: { value: 21 * 86_400, unit: "s", for: "1h", keepFiring: "1h", severity: "warning" },
  /**
   * `probe_success` of the TLS entrance; the alert fires at 0, but only if a probe has succeeded within
   * the window: a new entrance waits for its certificate.
   */
  entrance: { value: 0, unit: "short", for: "5m", window: "7d", severity: "critical" },
  /**
   * Seconds until a certificate of the stack's own NATS servers or of their CA expires; the alert fires below
   * 30 days. A `pulumi up` in the last 60 days issues another certificate. The alert keeps firing for an
   * hour, because a failed probe reports no certificate.
   */
  natsCertificate: { value: 30 * 86_400, unit: "s", for: "1h", keepFiring: "1h", severity: "warning" },
  /** Seconds until the user in `natsCredentials` expires; the alert fires below 30 days. */
  natsCredentials: { value: 30 * 86_400, unit: "s", for: "1h", severity: "warning" },
  /** `up` of any target of Prometheus that is not a gateway; the alert fires at 0. */
  targetDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /**
   * 0 while Prometheus or Alertmanager runs with an older configuration because it refused the newest; the
   * alert fires at 0.
   */
  configReload: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /**
   * Failed requests of Prometheus to Google Cloud for the list of gateways. Prometheus keeps the gateways it
   * knows. A single failure does no harm.
   */
  discovery: { value: 0, unit: "short", for: "10m", window: "5m", severity: "warning" },
  /**
   * Chunks of logs a second that Loki could not write to its bucket. Loki tries again, so a short failure
   * does no harm.
   */
  logFlush: { value: 0, unit: "short", for: "15m", window: "10m", severity: "warning" },
  /** Failed evaluations of rules. Alerts of a rule that cannot be evaluated cannot fire. */
  rules: { value: 0, unit: "short", for: "5m", window: "5m", severity: "critical" },
  /**
   * Notifications a second that Alertmanager could not send. Critical, because other critical alerts may
   * reach nobody. The mail of Google Cloud about this alert does not depend on Alertmanager's receivers.
   */
  notifications: { value: 0, unit: "short", for: "5m", window: "5m", severity: "critical" },
} as const satisfies Record<string, Threshold>;
