/**
 * All labels of log lines in Loki. Labels have few values: what differs from line to line or between
 * connections is not a label.
 */
export const LOG_LABELS = {
  /**
   * Name of the VM; on a laptop the gateway's address. Equals the label `instance` of the gateway's metrics.
   */
  host: "host",
  /** Role of the machine, for example `gateway` or `monitoring`. */
  role: "role",
  /** For example `gateway`. Lines of programs outside of containers do not have this label. */
  container: "container",
  /** `debug`, `info`, `warning`, `error`, `critical`, or another level of the systemd journal. */
  level: "level",
} as const;
