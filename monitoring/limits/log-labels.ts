/** All labels that log lines have in Loki, by what they say. None of them differs from line to line, or from connection to connection. */
export const LOG_LABELS = {
  /** The VM; on a laptop the gateway's address. The same as the label `instance` of its metrics. */
  host: "host",
  /** For example `gateway`, `monitoring`. */
  role: "role",
  /** For example `gateway`; absent for what runs in no container. */
  container: "container",
  /** `debug`, `info`, `warning`, `error`, `critical`, and what else the journal knows. */
  level: "level",
} as const;
