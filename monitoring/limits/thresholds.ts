/** What an alert waits for and what a dashboard draws as a line: the one table of limits, windows and severities. */
export interface Threshold {
  /** In `unit`. Beyond it is more than it, unless the row says less. */
  value: number;
  /** As Grafana calls it. */
  unit: "percent" | "percentunit" | "s" | "bytes" | "short";
  /** How long it has to be beyond the value before it is an alert, for example `2m`. */
  for: string;
  /** How long the alert goes on when it is over, for example `2m`. Default: not at all. */
  keepFiring?: string;
  /** Over how much time a rate, quantile or prediction is taken, where it is one. */
  window?: string;
  /** Events a second below which a ratio says nothing. */
  least?: number;
  /** Part of the whole above which a trend is no matter. */
  room?: number;
  /** For how long there has to be data before a trend says something. */
  history?: string;
  /** What comes again and again counts as if it went on, from this value over this window. */
  bursts?: { value: number; window: string };
  severity: Severity;
}

/** critical wakes somebody, warning waits for the morning, info is only written down. */
export type Severity = "critical" | "warning" | "info";

export const THRESHOLDS = {
  /**
   * Gateways that answer Prometheus: none of those it knows. None within the window either: the first ones are still starting. It goes on
   * while they are made anew, and are not known meanwhile.
   */
  gatewaysUp: {
    value: 0,
    unit: "short",
    for: "1m",
    keepFiring: "5m",
    window: "7d",
    severity: "critical",
  },
  /** Gateways that Prometheus knows, answering or not. After its start it finds them within a minute. None within the window: there never were any. */
  gatewaysKnown: { value: 0, unit: "short", for: "5m", window: "7d", severity: "critical" },
  /** A single gateway that does not answer. Autohealing replaces it within minutes, and then it is no target any more. */
  gatewayDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** What ws_nats_connected is without NATS, and how many such gateways are fine. A restart of it takes seconds. It goes on until its consequences are over, so that they never are news. */
  natsUnreachable: { value: 0, unit: "short", for: "30s", keepFiring: "2m", severity: "critical" },
  /** Connections a second refused because of us, for as long as it is due. One alone is over before; bursts are nine in five minutes. */
  rejections: {
    value: 0,
    unit: "short",
    for: "1m",
    window: "1m",
    bursts: { value: 0.03, window: "5m" },
    severity: "critical",
  },
  /** Part of all attempts refused for what the client did: a broken page or wrong keys. A scanner alone is below `least`. */
  clientRejections: {
    value: 0.2,
    unit: "percentunit",
    for: "10m",
    window: "5m",
    least: 0.1,
    severity: "warning",
  },
  /** Open connections of a gateway by WS_MAX_CONNECTIONS. CPU and memory have their own rows. */
  capacity: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Part of a gateway's deliveries that were left out. */
  dropRate: { value: 0.01, unit: "percentunit", for: "2m", window: "5m", severity: "warning" },
  /** Percent of WS_CPU_LIMIT. */
  cpu: { value: 80, unit: "percent", for: "2m", severity: "warning" },
  /** Part of WS_MEMORY_LIMIT; from here on the gateway refuses clients. */
  memory: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Gateways more or less than the window ago. */
  autoscaling: { value: 0, unit: "short", for: "0s", window: "5m", severity: "info" },
  /** Starts of one gateway without a new VM. */
  restarts: { value: 2, unit: "short", for: "0s", window: "15m", severity: "warning" },
  /** 99th percentile of the event loop's delay, averaged over a gateway's processes: what every message waits. */
  eventLoopLag: { value: 0.1, unit: "s", for: "5m", severity: "warning" },
  /** Messages in the stream that a gateway has not read yet. */
  natsLag: { value: 1000, unit: "short", for: "2m", severity: "warning" },
  /** A gateway that reads slowly on purpose since it is short of CPU. */
  natsPaused: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** Messages a second of the source: none. The publishers' trouble, and normal where nobody publishes at night. */
  streamRate: { value: 0, unit: "short", for: "5m", window: "1m", severity: "warning" },
  /** From publishing to the write into the socket, 99th percentile. */
  latency: { value: 0.25, unit: "s", for: "5m", window: "5m", severity: "warning" },
  /** A gateway that drains much longer than a rollout takes. */
  draining: { value: 0, unit: "short", for: "10m", severity: "warning" },
  /** Our own NATS servers that are not healthy; a cluster works on without one. */
  natsServersDown: { value: 0, unit: "short", for: "2m", severity: "warning" },
  /** Part of JetStream's file storage that is taken. */
  jetstreamStorage: { value: 0.9, unit: "percentunit", for: "5m", severity: "warning" },
  /** Clients that NATS cut off because they did not keep up. */
  natsSlowConsumers: { value: 0, unit: "short", for: "0s", window: "10m", severity: "warning" },
  /** Bytes left on a disk in 24 h if it goes on like that: less than this. A machine that has just been set up has written a lot, once. */
  diskFull: {
    value: 0,
    unit: "bytes",
    for: "1h",
    window: "6h",
    history: "3h",
    room: 0.4,
    severity: "warning",
  },
  /** Part of a disk that is left, whatever the trend: less than this. */
  diskLeft: { value: 0.05, unit: "percentunit", for: "5m", severity: "critical" },
  /** Seconds until the certificate ends: less than 21 days. It is renewed a month before its end. A failed probe does not know its end. */
  certificate: { value: 21 * 86_400, unit: "s", for: "1h", keepFiring: "1h", severity: "warning" },
  /** Probes of the TLS entrance that succeed. None within the window: it never worked, and waits for its certificate. */
  entrance: { value: 0, unit: "short", for: "5m", window: "7d", severity: "critical" },
  /** Any target of Prometheus that is not a gateway. */
  targetDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** Prometheus or Alertmanager with an older configuration than it was given. */
  configReload: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** Times that Prometheus could not ask Google Cloud for gateways; it goes on with those it knew. Once is nothing. */
  discovery: { value: 0, unit: "short", for: "10m", window: "5m", severity: "warning" },
  /** Rules that could not be evaluated: alerts that cannot fire. */
  rules: { value: 0, unit: "short", for: "5m", window: "5m", severity: "critical" },
  /** Notifications a second that did not get through. Critical, since Google Cloud mails how many critical alerts there are: another way. */
  notifications: { value: 0, unit: "short", for: "5m", window: "5m", severity: "critical" },
} as const satisfies Record<string, Threshold>;

export type ThresholdName = keyof typeof THRESHOLDS;
