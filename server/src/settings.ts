/** All settings of the gateway as a table: name, form, default, meaning. docs/settings.md is rendered from it. */

import { createPublicKey } from "node:crypto";
import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import {
  HEARTBEAT_SECONDS,
  INBOUND_BURST,
  INBOUND_RATE,
  MAX_CHANNELS,
  MAX_INBOUND_BYTES,
  OPS_PORT,
  REPLAY_BUFFER,
  STREAM_DEFAULTS,
  WS_PATH,
  WS_PORT,
} from "@odin-ws/protocol";
import { readNatsServers } from "@odin-ws/publisher/nats-servers";
import { z } from "zod";

const integer = (byDefault: number, min: number, max = Number.MAX_SAFE_INTEGER) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))
    .default(byDefault);
const decimal = (byDefault: number, min: number, max: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, "must be a number")
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`))
    .default(byDefault);
const bool = (byDefault: boolean) =>
  z
    .enum(["true", "false"], "must be true or false")
    .transform((text) => text === "true")
    .default(byDefault);
const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, `must be one of ${values.join(", ")}`);
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const duration = (byDefault: string) =>
  z
    .string()
    .regex(/^\d+(ms|s|m|h)$/, "must be a time such as 500ms, 30s, 5m or 1h")
    .default(byDefault)
    .transform((text) => Number.parseInt(text, 10) * UNITS[text.replace(/^\d+/, "") as keyof typeof UNITS]);
const hasScheme = (text: string, schemes: readonly string[]): boolean =>
  URL.canParse(text) && schemes.some((scheme) => text.startsWith(`${scheme}://`));
const listed = (schemes: readonly string[]) => schemes.map((scheme) => `${scheme}://`).join(" or ");
const url = (...schemes: string[]) =>
  z.string().refine((text) => hasScheme(text, schemes), `must be a URL with ${listed(schemes)}`);
const natsUrls = z.string().superRefine((text, context) => {
  for (const message of readNatsServers(text).problems) context.addIssue({ code: "custom", message });
});
const isRange = (text: string): boolean => {
  const [address = "", bits = ""] = text.split("/");
  const family = isIP(address);
  return family !== 0 && /^\d+$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
};
const isPublicKey = (text: string): boolean => {
  try {
    createPublicKey(text.replaceAll("\\n", "\n"));
    return true;
  } catch {
    return false;
  }
};
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== ""),
);
const name = (what: string) =>
  z.string().regex(/^[A-Za-z0-9_-]+$/, `must be a ${what}: letters, digits, - and _`);
const percent = (byDefault: number, min = 0) => integer(byDefault, min, 100);

/** One entry a variable. */
export const SETTINGS = {
  NATS_URL: natsUrls
    .optional()
    .describe(
      "NATS servers, comma separated: nats://HOST:4222, or tls://HOST:4222 for TLS and nothing else, with USER:PASSWORD@ or TOKEN@ " +
        "before the host where need be, percent-encoded; unset: the embedded simulator is the source",
    ),
  NATS_CREDS_FILE: z
    .string()
    .optional()
    .describe("NATS credentials file, instead of a user or token in NATS_URL"),
  JS_STREAM_NAME: name("stream name")
    .default(STREAM_DEFAULTS.name)
    .describe("JetStream stream; created when missing"),
  JS_STORAGE: choice(["file", "memory"])
    .default("file")
    .describe("storage of a stream that the gateway creates"),
  JS_REPLICAS: integer(1, 1, 5).describe("replicas of a stream that the gateway creates"),
  JS_STREAM_MAX_AGE: duration(`${STREAM_DEFAULTS.maxAgeSeconds}s`).describe(
    "age that a created stream keeps, and that the gateway's history keeps",
  ),
  JS_STREAM_MAX_MSGS: integer(STREAM_DEFAULTS.maxMessages, 1).describe(
    "messages that a created stream and the history keep",
  ),
  JS_STREAM_MAX_BYTES: integer(STREAM_DEFAULTS.maxBytes, 1024).describe(
    "bytes that a created stream and the history keep",
  ),
  JS_CONSUMER_NAME: name("consumer name")
    .default("ws-server")
    .describe("prefix of this gateway's own ephemeral consumer"),
  SOURCE: choice(["jetstream", "poll", "simulator"])
    .optional()
    .describe("where messages come from; default jetstream with NATS_URL, else simulator"),
  POLL_URL: url("http", "https")
    .optional()
    .describe("asked as POLL_URL?since=<ms> for an array of {subject, ts, data}"),
  POLL_INTERVAL_MS: integer(100, 10, 60_000).describe("pause between two polls, ms"),
  SIMULATOR_RATE: integer(12, 1, 10_000).describe("messages a second of the embedded simulator"),
  WS_PORT: integer(WS_PORT, 0, 65_535).describe("port of clients"),
  WS_PATH: z
    .string()
    .startsWith("/", "must start with /")
    .default(WS_PATH)
    .describe("path of the WebSocket endpoint"),
  OPS_PORT: integer(OPS_PORT, 0, 65_535).describe("port of /health, /live, /metrics, /stats"),
  WS_MAX_CONNECTIONS: integer(10_000, 1).describe("connections of the whole VM"),
  WS_MAX_CONNECTIONS_PER_USER: integer(3, 0).describe("connections of one user (claim sub); 0: no limit"),
  WS_MAX_CONNECTS_PER_IP_PER_SECOND: integer(0, 0).describe(
    "new connections a second from one address; 0: no limit",
  ),
  WS_TRUSTED_PROXIES: list
    .refine((ranges) => ranges.every(isRange), "must be ranges like 10.0.0.0/8")
    .default([])
    .describe("CIDR ranges whose X-Forwarded-For is believed, comma separated"),
  WS_ALLOWED_ORIGINS: list
    .default([])
    .describe("origins of pages that may connect, comma separated; empty: all"),
  WS_CPU_LIMIT: decimal(1.9, 0.1, 1024).describe("cores that count as 100 % CPU"),
  WS_CPU_REJECT_THRESHOLD: percent(75, 1).describe(
    "percent of WS_CPU_LIMIT above which new connections are refused",
  ),
  WS_CPU_PAUSE_THRESHOLD: percent(80, 1).describe(
    "percent of WS_CPU_LIMIT above which reading the stream pauses",
  ),
  WS_MEMORY_LIMIT: integer(7_516_192_768, 67_108_864).describe(
    "bytes of RSS that count as full; new connections are refused at 90 %",
  ),
  WS_WORKER_POOL_SIZE: integer(availableParallelism(), 1, 64).describe(
    "processes that serve clients; default one per vCPU",
  ),
  WS_MAX_NATS_RATE: integer(1000, 0).describe(
    "messages a second read from the source, the rest waits in the stream; 0: no limit",
  ),
  WS_MAX_BROADCAST_RATE: integer(1000, 0).describe(
    "messages a second delivered, lowest priority dropped first; 0: no limit",
  ),
  WS_MAX_MESSAGE_BYTES: integer(MAX_INBOUND_BYTES, 128, 1_048_576).describe("largest message of a client"),
  WS_MAX_CHANNELS: integer(MAX_CHANNELS, 1, 10_000).describe("channels and patterns of one connection"),
  WS_INBOUND_RATE: integer(INBOUND_RATE, 1, 10_000).describe("messages a second that a client may send"),
  WS_INBOUND_BURST: integer(INBOUND_BURST, 1, 10_000).describe("messages that a client may send at once"),
  WS_PING_SECONDS: integer(HEARTBEAT_SECONDS, 1, 3600).describe(
    "the server pings this often; silence for two pings closes",
  ),
  WS_COMPRESSION: bool(true).describe("offer permessage-deflate"),
  WS_REPLAY_BUFFER: integer(REPLAY_BUFFER, 0, 10_000).describe(
    "messages that a connection can ask for again",
  ),
  WS_SEND_BUFFER_BYTES: integer(262_144, 1024).describe("bytes that may wait for one slow client"),
  WS_DRAIN_SECONDS: integer(60, 0, 3600).describe(
    "time over which a stopping gateway sends its clients away",
  ),
  WS_THROTTLE_ENABLED: bool(true).describe("throttle slow clients before they are closed"),
  WS_THROTTLE_POLICY: choice(["priority", "rate"])
    .default("priority")
    .describe("what a throttled client still gets"),
  WS_THROTTLE_LIGHT_PERCENT: percent(75).describe("percent of messages at level 1"),
  WS_THROTTLE_MEDIUM_PERCENT: percent(50).describe("percent of messages at level 2"),
  WS_THROTTLE_HEAVY_PERCENT: percent(25).describe("percent of messages at level 3"),
  WS_THROTTLE_RECOVERY_SECONDS: integer(30, 1, 3600).describe(
    "time without a failed send after which the level falls by one",
  ),
  WS_THROTTLE_MAX_LEVEL: integer(3, 0, 3).describe("level beyond which a slow client is closed"),
  WS_THROTTLE_ROLLOUT_PERCENT: percent(100).describe(
    "percent of users that are throttled at all, by a stable hash",
  ),
  ENABLE_SUBSCRIPTION_FILTERING: bool(true).describe("false: everybody gets everything"),
  AUTH_MODE: choice(["jwt", "none"]).default("jwt").describe("none must be said aloud"),
  JWT_SECRET: z.string().optional().describe("secret of HS256, HS384, HS512 tokens"),
  JWT_PUBLIC_KEY: z
    .string()
    .refine(isPublicKey, "must be a PEM public key or certificate")
    .optional()
    .describe("PEM public key (or certificate) of RS, PS, ES or EdDSA tokens"),
  JWKS_URL: url("http", "https").optional().describe("where the public keys are published"),
  LOG_LEVEL: choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("least level that is logged"),
  LOG_FORMAT: choice(["json", "pretty"]).default("json").describe("JSON lines or lines for a person"),
  GCP_METRICS: choice(["auto", "on", "off"])
    .default("auto")
    .describe("write the connection count to Cloud Monitoring; auto: only on Google Cloud"),
  DEMO_PAGE: z.string().optional().describe("folder with the demo page that is served at /"),
};

/** Values that no message may show. */
export const SECRETS: ReadonlySet<string> = new Set([
  "JWT_SECRET",
  "JWT_PUBLIC_KEY",
  "NATS_URL",
  "POLL_URL",
  "JWKS_URL",
]);

/** Defaults that are not shown as the value that they parse to. */
const SHOWN: Record<string, string> = {
  JS_STREAM_MAX_AGE: `${STREAM_DEFAULTS.maxAgeSeconds}s`,
  WS_WORKER_POOL_SIZE: "one per vCPU",
};

/** The reference table of docs/settings.md. */
export function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([variable, schema]) => {
    const value = schema.safeParse(undefined).data;
    const unset = value === undefined || (Array.isArray(value) && value.length === 0);
    const shown = SHOWN[variable] ?? (unset ? "" : String(value));
    return `| \`${variable}\` | ${shown === "" ? "" : `\`${shown}\``} | ${schema.description} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}
