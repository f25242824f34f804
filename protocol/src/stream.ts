/** The JetStream stream that holds the events, as gateways and publishers create it when it is missing. */

/** Subjects that the stream captures. */
export const SUBJECTS = ["odin.token.>", "odin.global.>"] as const;

/**
 * Configuration of a created stream, unless settings change it. The gateways' history has the same limits.
 */
export const STREAM_DEFAULTS = {
  name: "ODIN_TOKENS",
  storage: "file",
  /** 3 on a cluster. */
  replicas: 1,
  maxAgeSeconds: 30,
  maxMessages: 100_000,
  maxBytes: 52_428_800, // 50 MiB
} as const;

/**
 * Configuration of the stream that keeps the last value of each subject. It mirrors the stream above, and has
 * the same storage, replicas and bytes.
 */
export const LAST_VALUES_DEFAULTS = {
  /** Is added to the name of the mirrored stream. */
  suffix: "_LAST",
  maxAgeSeconds: 86_400, // a day
} as const;
