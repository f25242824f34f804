/**
 * All settings of the gateway: name, format, default, meaning. docs/settings.md is rendered from this table.
 */

import { availableParallelism } from "node:os";
import {
  type EventName,
  HEARTBEAT_SECONDS,
  INBOUND_BURST,
  INBOUND_RATE,
  LAST_VALUES_DEFAULTS,
  MAX_CHANNELS,
  MAX_INBOUND_BYTES,
  OPS_PORT,
  REPLAY_BUFFER,
  STREAM_DEFAULTS,
  WS_PATH,
  WS_PORT,
} from "@odin-ws/protocol";
import { natsName, STREAM_SECRETS, STREAM_VARIABLES } from "@odin-ws/publisher/stream-settings";
import { boolean, choice, duration, list, decimal as number, url, whole } from "@odin-ws/settings/values";
import { z } from "zod";
import {
  addressRanges,
  events,
  fetchUrl,
  hmacSecret,
  origins,
  publicKey,
  urlPath,
} from "./setting-values.ts";

const integer = (byDefault: number, min: number, max?: number) => whole(min, max).default(byDefault);
const decimal = (byDefault: number, min: number, max: number) => number(min, max).default(byDefault);
const bool = (byDefault: boolean) => boolean().default(byDefault);
const MIN_BURST = 10;
/** Events whose messages resemble the previous message of their channel more than other messages. */
const PREVIOUS_EVENTS: readonly EventName[] = [
  "trade",
  "liquidity",
  "update",
  "metadata",
  "social",
  "favorites",
  "analytics",
  "trending",
];
const percent = (byDefault: number, min = 0) => integer(byDefault, min, 100);

/** One entry for each environment variable. */
export const SETTINGS = {
  NATS_URL: STREAM_VARIABLES.NATS_URL.describe(
    "NATS servers, comma separated: nats://HOST:4222, or tls://HOST:4222 to require TLS; with USER:PASSWORD@ or TOKEN@ " +
      "(percent-encoded) before the host where the server needs a login; unset: the embedded simulator is the source",
  ),
  NATS_CREDS_FILE: STREAM_VARIABLES.NATS_CREDS_FILE.describe(
    "path of a NATS credentials file, used instead of a user or token in NATS_URL",
  ),
  JS_STREAM_NAME: STREAM_VARIABLES.JS_STREAM_NAME.describe(
    "name of the JetStream stream; the gateway creates it when it is missing",
  ),
  JS_HOME_DOMAIN: STREAM_VARIABLES.JS_HOME_DOMAIN.describe(
    "JetStream domain of the home region, for a gateway of another region: the gateway creates and reads a mirror of " +
      "the stream on its own region's NATS servers; unset: NATS_URL has the stream itself",
  ),
  JS_STORAGE: STREAM_VARIABLES.JS_STORAGE.describe("storage of the stream, when the gateway creates it"),
  JS_REPLICAS: STREAM_VARIABLES.JS_REPLICAS.describe("replicas of the stream, when the gateway creates it"),
  JS_STREAM_MAX_AGE: STREAM_VARIABLES.JS_STREAM_MAX_AGE.describe(
    "age after which a message leaves the gateway's history, and the stream when the gateway creates it",
  ),
  JS_STREAM_MAX_MSGS: STREAM_VARIABLES.JS_STREAM_MAX_MSGS.describe(
    "messages in the gateway's history, and in the stream when the gateway creates it",
  ),
  JS_STREAM_MAX_BYTES: STREAM_VARIABLES.JS_STREAM_MAX_BYTES.describe(
    "bytes in the gateway's history, and in the stream when the gateway creates it",
  ),
  JS_CONSUMER_NAME: natsName("consumer name")
    .default("ws-server")
    .describe("prefix of the name of this gateway's consumer, which is ephemeral"),
  SOURCE: choice(["jetstream", "poll", "simulator"])
    .optional()
    .describe("source of the messages; default: jetstream when NATS_URL is set, otherwise simulator"),
  POLL_URL: url("http", "https")
    .optional()
    .describe(
      "URL for SOURCE=poll, requested as POLL_URL?since=<ms>; answers an array of {subject, ts, data}",
    ),
  POLL_INTERVAL_MS: integer(100, 10, 60_000).describe("time from one poll to the next, ms"),
  SIMULATOR_RATE: integer(12, 1, 10_000).describe("messages a second from the embedded simulator"),
  WS_PORT: integer(WS_PORT, 0, 65_535).describe("port for clients"),
  WS_PATH: urlPath().default(WS_PATH).describe("path of the WebSocket endpoint"),
  OPS_PORT: integer(OPS_PORT, 0, 65_535).describe("port for /health, /live, /metrics and /stats"),
  WS_MAX_CONNECTIONS: integer(10_000, 1).describe(
    "largest number of connections on the whole VM; lower when a process may not open enough files",
  ),
  WS_MAX_CONNECTIONS_PER_USER: integer(3, 0).describe(
    "largest number of connections of one user (claim sub), to all gateways that read the same stream together; without NATS to this gateway; 0: no limit",
  ),
  WS_USER_LIMIT_ACTION: choice(["refuse", "replace"])
    .default("refuse")
    .describe(
      "at the limit of a user: refuse the newest connection, unless an older one does not answer a ping within 1.5 s, " +
        "or replace the oldest one, on whatever gateway, which is closed with 4409",
    ),
  WS_MAX_CONNECTS_PER_IP_PER_SECOND: integer(0, 0).describe(
    "new connections a second from one address; 0: no limit",
  ),
  WS_MAX_HANDSHAKE_WAIT_MS: integer(4000, 0, 60_000).describe(
    "longest wait of a new client until a process accepts its connection, estimated on Linux, ms: above it, up to half of the new clients are refused with 503 and Retry-After, and the kernel keeps fewer waiting; 0: no limit",
  ),
  WS_TRUSTED_PROXIES: addressRanges()
    .default([])
    .describe("CIDR ranges of proxies whose X-Forwarded-For is trusted, comma separated"),
  WS_ALLOWED_ORIGINS: origins()
    .default([])
    .describe(
      "origins whose pages may connect, comma separated, each like https://app.example.com; empty: all origins",
    ),
  WS_CPU_LIMIT: decimal(1.9, 0.1, 1024).describe("cores that count as 100 % CPU"),
  WS_CPU_REJECT_THRESHOLD: percent(75, 1).describe(
    "percent of WS_CPU_LIMIT above which new connections are refused",
  ),
  WS_CPU_PAUSE_THRESHOLD: percent(80, 1).describe(
    "percent of WS_CPU_LIMIT above which reading from the source pauses",
  ),
  WS_MEMORY_LIMIT: integer(7_516_192_768, 67_108_864).describe(
    "memory limit (RSS of all processes), bytes; at most the memory of the machine; new connections are refused above 90 % of the limit",
  ),
  WS_WORKER_POOL_SIZE: integer(availableParallelism(), 1, 64).describe(
    "number of processes that serve clients; default: one per vCPU",
  ),
  WS_MAX_NATS_RATE: integer(1000, 0).describe(
    "messages a second read from the source; further messages wait in the stream; 0: no limit",
  ),
  WS_MAX_BROADCAST_RATE: integer(1000, 0).describe(
    "messages a second that are delivered; further ones are dropped, lowest priority first; 0: no limit",
  ),
  WS_MAX_MESSAGE_BYTES: integer(MAX_INBOUND_BYTES, MAX_INBOUND_BYTES, 1_048_576).describe(
    `largest message from a client, bytes; at least ${MAX_INBOUND_BYTES}, because the client library sends messages of this size`,
  ),
  WS_MAX_CHANNELS: integer(MAX_CHANNELS, 1, 10_000).describe("channels and patterns of one connection"),
  WS_INBOUND_RATE: integer(INBOUND_RATE, INBOUND_RATE, 10_000).describe(
    `messages a second that a client may send; at least ${INBOUND_RATE}, because the client library sends up to this many`,
  ),
  WS_INBOUND_BURST: integer(INBOUND_BURST, MIN_BURST, 10_000).describe(
    `messages that a client may send at once before WS_INBOUND_RATE applies; at least ${MIN_BURST}, because the client library does not space its heartbeats`,
  ),
  WS_PING_SECONDS: integer(HEARTBEAT_SECONDS, 1, 3600).describe(
    "time between two pings of the server, seconds; a client that is silent for two pings is closed",
  ),
  WS_COMPRESSION: bool(true).describe("offer permessage-deflate"),
  WS_COMPACT: bool(true).describe(
    "offer the compact encoding to clients that ask for it; other clients see no difference",
  ),
  WS_COMPACT_PREVIOUS: events()
    .default([...PREVIOUS_EVENTS])
    .describe(
      "events whose messages are compressed with the previous message of their channel, in the compact encoding, comma separated; none: no event",
    ),
  WS_REPLAY_BUFFER: integer(REPLAY_BUFFER, 0, 10_000).describe(
    "messages of each connection that are kept for replay requests",
  ),
  WS_SEND_BUFFER_BYTES: integer(262_144, 1024).describe("bytes that may wait in memory for one slow client"),
  WS_WRITE_DELAY_MS: integer(0, 0, 100).describe(
    "longest time that a message waits for others to the same client, so that they share a write, ms; critical messages and answers do not wait; 0: messages wait only right after a large fan-out, for up to 2 ms",
  ),
  WS_LAST_VALUES: bool(true).describe(
    `keep the newest message of each channel for clients that subscribe with last: in memory, up to JS_STREAM_MAX_BYTES, and with JetStream in a second stream, JS_STREAM_NAME${LAST_VALUES_DEFAULTS.suffix}, which the gateway creates; for a day`,
  ),
  WS_DRAIN_SECONDS: integer(60, 0, 3600).describe(
    "time over which a stopping gateway disconnects its clients, seconds",
  ),
  WS_RESTART_SECONDS: integer(15, 0, 600).describe(
    "the same for a gateway that restarts (SIGHUP), for example with other settings, and then accepts clients again; nobody is disconnected in the first two thirds; at most WS_DRAIN_SECONDS counts",
  ),
  WS_THROTTLE_ENABLED: bool(true).describe("throttle slow clients before they are disconnected"),
  WS_THROTTLE_POLICY: choice(["priority", "rate", "conflate"])
    .default("priority")
    .describe(
      "choice of the messages that a slow client still gets: by priority, a percentage, or (conflate) the newest message of each channel as soon as there is room",
    ),
  WS_THROTTLE_LIGHT_PERCENT: percent(75).describe("percent of messages at level 1"),
  WS_THROTTLE_MEDIUM_PERCENT: percent(50).describe("percent of messages at level 2"),
  WS_THROTTLE_HEAVY_PERCENT: percent(25).describe("percent of messages at level 3"),
  WS_THROTTLE_RECOVERY_SECONDS: integer(30, 1, 3600).describe(
    "time without a failed send after which the level falls by one, seconds",
  ),
  WS_THROTTLE_MAX_LEVEL: integer(3, 0, 3).describe(
    "highest level; a client that is too slow even then is disconnected",
  ),
  WS_THROTTLE_ROLLOUT_PERCENT: percent(100).describe(
    "percent of users that can be throttled, chosen by a stable hash; others are disconnected when they are too slow",
  ),
  ENABLE_SUBSCRIPTION_FILTERING: bool(true).describe(
    "false: every client gets every message that its token allows, without subscribing",
  ),
  AUTH_MODE: choice(["jwt", "none"])
    .default("jwt")
    .describe("jwt: clients need a token; none disables authentication and must be set explicitly"),
  JWT_SECRET: hmacSecret().optional().describe("secret for HS256, HS384 or HS512 tokens"),
  JWT_SECRET_PREVIOUS: hmacSecret()
    .optional()
    .describe(
      "second secret that is accepted, so that JWT_SECRET can be changed while tokens of both secrets are in use",
    ),
  JWT_PUBLIC_KEY: publicKey()
    .optional()
    .describe("PEM public key (or certificate) for RS, PS, ES or EdDSA tokens"),
  JWT_ISSUER: list()
    .default([])
    .describe("accepted values of the claim iss, comma separated; empty: every issuer"),
  JWT_AUDIENCE: list()
    .default([])
    .describe(
      "accepted values of the claim aud, comma separated: a token for another audience is refused; empty: every audience",
    ),
  JWT_REQUIRE_EXP: bool(true).describe(
    "refuse tokens without the claim exp, because such a token is valid until the key changes",
  ),
  JWKS_URL: fetchUrl().optional().describe("URL of the public keys (JSON Web Key Set)"),
  JWKS_MAX_AGE: duration({ min: "1s", max: "24h" })
    .default(600_000)
    .describe("age at which the keys of JWKS_URL are fetched again"),
  JWKS_MAX_STALE_AGE: duration({ min: "1s", max: "720h" })
    .default(86_400_000)
    .describe("age up to which keys are used while JWKS_URL does not answer; at least JWKS_MAX_AGE"),
  LOG_LEVEL: choice(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .describe("lowest level that is logged"),
  LOG_FORMAT: choice(["json", "pretty"])
    .default("json")
    .describe("json: one JSON object per line; pretty: lines for people"),
  LOG_ADDRESSES: choice(["masked", "full", "off"])
    .default("masked")
    .describe(
      "addresses of clients in log lines: masked shortens IPv4 to /24 and IPv6 to /48; off leaves them out",
    ),
  LOG_CONNECTIONS_PER_SECOND: integer(200, 0, 100_000).describe(
    "log lines a second of the VM about connections of each kind (opened, refused by reason, throttled, closed by " +
      "code, polls); each process may write an equal part; further lines are left out and counted; ten seconds of " +
      "this rate may come at once; 0: no such lines",
  ),
  GCP_METRICS: choice(["auto", "on", "off"])
    .default("auto")
    .describe("whether to write the number of connections to Cloud Monitoring; auto: only on Google Cloud"),
  DEMO_PAGE: z.string().optional().describe("folder of the demo page, which is served at /; unset: no page"),
};

/** Settings whose values must not appear in messages. */
export const SECRETS: ReadonlySet<string> = new Set([
  ...STREAM_SECRETS,
  "JWT_SECRET",
  "JWT_SECRET_PREVIOUS",
  "JWT_PUBLIC_KEY",
  "POLL_URL",
  "JWKS_URL",
]);

/** Defaults that the table shows in another form than the parsed value. */
const SHOWN: Record<string, string> = {
  JS_STREAM_MAX_AGE: `${STREAM_DEFAULTS.maxAgeSeconds}s`,
  JWKS_MAX_AGE: "10m",
  JWKS_MAX_STALE_AGE: "24h",
  WS_WORKER_POOL_SIZE: "one per vCPU",
};

/** Returns the reference table of docs/settings.md. */
export function settingsTable(): string {
  const rows = Object.entries(SETTINGS).map(([variable, schema]) => {
    const value = schema.safeParse(undefined).data;
    const unset = value === undefined || (Array.isArray(value) && value.length === 0);
    const shown = SHOWN[variable] ?? (unset ? "" : String(value));
    return `| \`${variable}\` | ${shown === "" ? "" : `\`${shown}\``} | ${schema.description} |`;
  });
  return ["| variable | default | meaning |", "|---|---|---|", ...rows].join("\n");
}
