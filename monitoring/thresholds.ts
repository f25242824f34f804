/** What an alert waits for and what a dashboard draws as a line: the one table of limits, windows and reasons. */
export interface Threshold {
  /** In `unit`. */
  value: number;
  /** As Grafana calls it: `percent`, `percentunit`, `s`, `bytes`, `short`. */
  unit: "percent" | "percentunit" | "s" | "bytes" | "short";
  /** How long it has to be beyond the value before it is an alert, for example `2m`. */
  for: string;
  /** Over how much time a rate, quantile or prediction is taken, where it is one. */
  window?: string;
  severity: Severity;
}

/** critical wakes somebody, warning waits for the morning, info is only written down. */
export type Severity = "critical" | "warning" | "info";

export const THRESHOLDS = {
  /** Gateways that answer Prometheus: none left. */
  gatewaysUp: { value: 0, unit: "short", for: "1m", severity: "critical" },
  /** A single gateway that does not answer; autohealing replaces it after two minutes. */
  gatewayDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** Gateways without NATS. A restart takes seconds, and clients go on with what the others have. */
  natsUnreachable: { value: 0, unit: "short", for: "30s", severity: "critical" },
  /** Connections refused because we are full, in a minute. */
  rejections: { value: 0, unit: "short", for: "1m", window: "1m", severity: "critical" },
  /** Refused for what the client did (token, origin, path): a broken page or a wrong key, as a part of all attempts. */
  clientRejections: { value: 0.2, unit: "percentunit", for: "10m", window: "5m", severity: "warning" },
  /** Part of a gateway's capacity that is taken (connections, CPU or memory, whichever is more). */
  capacity: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Part of deliveries that were left out. */
  dropRate: { value: 0.01, unit: "percentunit", for: "2m", window: "5m", severity: "warning" },
  /** Percent of WS_CPU_LIMIT. */
  cpu: { value: 80, unit: "percent", for: "2m", severity: "warning" },
  /** Part of WS_MEMORY_LIMIT. */
  memory: { value: 0.9, unit: "percentunit", for: "2m", severity: "warning" },
  /** Gateways that came or went. */
  scaling: { value: 0, unit: "short", for: "0s", window: "5m", severity: "info" },
  /** Starts of one gateway's process. */
  restarts: { value: 2, unit: "short", for: "0s", window: "15m", severity: "warning" },
  /** 99th percentile of the event loop's delay: what every message of a process waits. */
  eventLoopLag: { value: 0.1, unit: "s", for: "5m", severity: "warning" },
  /** Messages in the stream that a gateway has not read yet. */
  natsLag: { value: 1000, unit: "short", for: "2m", severity: "warning" },
  /** A gateway that reads slowly on purpose since it is out of CPU. */
  natsPaused: { value: 0, unit: "short", for: "5m", severity: "warning" },
  /** From publishing to the write into the socket, 99th percentile. */
  latency: { value: 0.25, unit: "s", for: "5m", window: "5m", severity: "warning" },
  /** A gateway that drains much longer than a rollout takes. */
  draining: { value: 0, unit: "short", for: "10m", severity: "warning" },
  /** Bytes left on a disk in 24 h if it goes on like that. */
  diskFull: { value: 0, unit: "bytes", for: "30m", window: "6h", severity: "warning" },
  /** Part of a disk that is left, whatever the trend. */
  diskLeft: { value: 0.05, unit: "percentunit", for: "5m", severity: "critical" },
  /** Part of JetStream's file storage that is taken. */
  jetstreamStorage: { value: 0.9, unit: "percentunit", for: "5m", severity: "warning" },
  /** Clients that NATS cut off because they did not keep up. */
  natsSlowConsumers: { value: 0, unit: "short", for: "0s", window: "10m", severity: "warning" },
  /** Any target of Prometheus that is not a gateway. */
  targetDown: { value: 0, unit: "short", for: "5m", severity: "warning" },
} as const satisfies Record<string, Threshold>;

export type ThresholdName = keyof typeof THRESHOLDS;
