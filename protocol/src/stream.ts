/** The JetStream stream that holds the events, as gateways and publishers create it when it is missing. */

/** Subjects that the stream captures. */
export const SUBJECTS = ["odin.token.>", "odin.global.>"] as const;

/** What a created stream is like unless settings say otherwise. The gateways' history has the same bounds. */
export const STREAM_DEFAULTS = {
  name: "ODIN_TOKENS",
  storage: "file",
  /** 3 on a cluster. */
  replicas: 1,
  maxAgeSeconds: 30,
  maxMessages: 100_000,
  maxBytes: 52_428_800, // 50 MiB
} as const;
