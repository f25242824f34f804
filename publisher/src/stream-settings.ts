/**
 * Settings of NATS and of the JetStream stream: the variables, and the stream that is created from them. The
 * gateway and the publisher both use this file, so that the same environment means the same stream for both.
 */

import { readFileSync } from "node:fs";
import { JetStreamApiError, type StreamConfig } from "@nats-io/jetstream";
import { LAST_VALUES_DEFAULTS, STREAM_DEFAULTS, SUBJECTS } from "@odin-ws/protocol";
import { REVOCATIONS } from "@odin-ws/protocol/revocation";
import { choice, duration, text, whole } from "@odin-ws/settings/values";
import type { Values } from "@odin-ws/settings/variables";
import { z } from "zod";
import { readNatsServers } from "./nats/nats-servers.ts";

/** What a stream is created with. A stream that exists is left as it is. */
export interface StreamSettings {
  name: string;
  storage: "file" | "memory";
  /** 3 on a cluster. */
  replicas: number;
  maxAgeSeconds: number;
  maxMessages: number;
  maxBytes: number;
}

/** Letters, digits, - and _: what names of streams, consumers and connections consist of. */
export const NAME = /^[A-Za-z0-9_-]+$/;

/** Bounds of the settings. NATS refuses an age below 100 ms. */
export const STREAM_BOUNDS = {
  replicas: [1, 5],
  minAgeSeconds: 0.1,
  maxMessages: [1, 1e12],
  maxBytes: [1024, 1e15],
} as const;

const MIN_AGE = `${STREAM_BOUNDS.minAgeSeconds * 1000}ms`;
const MAX_AGE = "87600h"; // 10 years; NATS counts nanoseconds in 63 bits
const NANOSECONDS = 1_000_000_000; // in one second
/** NATS remembers message ids for this long, and never longer than the stream keeps messages. */
const MAX_DUPLICATE_WINDOW_SECONDS = 120;

/** URLs of NATS servers as one text, `nats://10.0.0.5:4222,nats://10.0.0.6:4222`. */
export const natsUrls = () =>
  z.string().superRefine((urls, context) => {
    for (const message of readNatsServers(urls).problems) context.addIssue(message);
  });

/** NATS takes 255 characters, and the gateway adds some to the name of its consumer. */
const MAX_NAME_LENGTH = 200;

/** The name of a stream or a consumer. */
export const natsName = (what: string) =>
  text(
    (name) => NAME.test(name) && name.length <= MAX_NAME_LENGTH,
    `must be a ${what}: up to ${MAX_NAME_LENGTH} letters, digits, - and _`,
  );

/** The environment variables, and how each of them is read. JS_STREAM_MAX_AGE is read as milliseconds. */
export const STREAM_VARIABLES = {
  NATS_URL: natsUrls()
    .optional()
    .describe("NATS servers, nats://HOST:4222 or tls://HOST:4222, separated by commas"),
  NATS_CREDS_FILE: z
    .string()
    .optional()
    .describe("NATS credentials file, instead of a user or token in NATS_URL"),
  JS_STREAM_NAME: natsName("stream name")
    .default(STREAM_DEFAULTS.name)
    .describe(`JetStream stream, which is created when it is missing (${STREAM_DEFAULTS.name})`),
  JS_HOME_DOMAIN: natsName("JetStream domain")
    .optional()
    .describe(
      "JetStream domain of the home region, for NATS servers of another region, which hold a mirror of the stream",
    ),
  JS_STORAGE: choice(["file", "memory"])
    .default(STREAM_DEFAULTS.storage)
    .describe(`storage of a created stream, file or memory (${STREAM_DEFAULTS.storage})`),
  JS_REPLICAS: whole(...STREAM_BOUNDS.replicas)
    .default(STREAM_DEFAULTS.replicas)
    .describe(`replicas of a created stream (${STREAM_DEFAULTS.replicas})`),
  JS_STREAM_MAX_AGE: duration({ min: MIN_AGE, max: MAX_AGE })
    .default(STREAM_DEFAULTS.maxAgeSeconds * 1000)
    .describe(`how long a created stream keeps a message (${STREAM_DEFAULTS.maxAgeSeconds}s)`),
  JS_STREAM_MAX_MSGS: whole(...STREAM_BOUNDS.maxMessages)
    .default(STREAM_DEFAULTS.maxMessages)
    .describe(`messages that a created stream keeps (${STREAM_DEFAULTS.maxMessages})`),
  JS_STREAM_MAX_BYTES: whole(...STREAM_BOUNDS.maxBytes)
    .default(STREAM_DEFAULTS.maxBytes)
    .describe(`bytes that a created stream keeps (${STREAM_DEFAULTS.maxBytes})`),
};

/** Variables whose text may hold a password. */
export const STREAM_SECRETS: ReadonlySet<string> = new Set(["NATS_URL"]);

type StreamVariables = Values<typeof STREAM_VARIABLES>;

/** The settings of the stream that these variables describe. */
export function streamSettings(
  variables: Omit<StreamVariables, "NATS_URL" | "NATS_CREDS_FILE" | "JS_HOME_DOMAIN">,
): StreamSettings {
  return {
    name: variables.JS_STREAM_NAME,
    storage: variables.JS_STORAGE,
    replicas: variables.JS_REPLICAS,
    maxAgeSeconds: variables.JS_STREAM_MAX_AGE / 1000,
    maxMessages: variables.JS_STREAM_MAX_MSGS,
    maxBytes: variables.JS_STREAM_MAX_BYTES,
  };
}

/** The stream that is created from these settings. */
export function streamConfig(settings: StreamSettings) {
  const { maxAgeSeconds } = settings;
  const windowSeconds = Math.min(maxAgeSeconds, MAX_DUPLICATE_WINDOW_SECONDS);
  return {
    name: settings.name,
    subjects: [...SUBJECTS],
    retention: "limits",
    discard: "old",
    storage: settings.storage,
    num_replicas: settings.replicas,
    max_age: Math.round(maxAgeSeconds * NANOSECONDS),
    max_msgs: settings.maxMessages,
    max_bytes: settings.maxBytes,
    duplicate_window: Math.round(windowSeconds * NANOSECONDS),
  } as const satisfies Partial<StreamConfig>;
}

/**
 * Settings that let a stream fit into the limits of an account or a server, by JetStream's error code. A plan
 * of a NATS service such as Synadia Cloud limits the replicas and the storage of its accounts.
 */
const LIMITS: Record<number, (keyof typeof STREAM_VARIABLES)[]> = {
  10002: ["JS_STREAM_MAX_BYTES", "JS_REPLICAS"], // the account's resources are used up
  10005: ["JS_REPLICAS"], // too few servers for the replicas
  10023: ["JS_STREAM_MAX_BYTES", "JS_REPLICAS"], // the servers' resources are used up
  10028: ["JS_STREAM_MAX_BYTES", "JS_STORAGE"], // too little memory
  10047: ["JS_STREAM_MAX_BYTES", "JS_REPLICAS"], // too little storage
  10074: ["JS_REPLICAS"], // the server is not part of a cluster
  10120: ["JS_REPLICAS"], // the account's plan has no limits for this number of replicas
  10122: ["JS_STREAM_MAX_BYTES"], // larger than the account's limit for one stream
};

/** JetStream's error code for an account that has as many streams as its plan allows. */
const TOO_MANY_STREAMS = 10027;

/**
 * The error of creating one stream more. When the account's plan allows no further stream, the error says
 * what to do; any other error is returned as it is.
 *
 * @param otherwise how to do without the stream
 */
export function explainedCount(error: unknown, name: string, otherwise: string): unknown {
  if (!(error instanceof JetStreamApiError) || error.code !== TOO_MANY_STREAMS) return error;
  return new Error(
    `the NATS account allows no stream beside those that it has, so ${name} cannot be created: ${error.message} (JetStream error ${error.code}). Delete a stream that nobody uses, choose a plan with more streams, or ${otherwise}`,
    { cause: error },
  );
}

/**
 * The error of creating a stream. An error about a limit says which settings to change and their values; any
 * other error is returned as it is.
 *
 * @param otherwise how to do without the stream, if that is possible
 */
export function explainedLimit(error: unknown, settings: StreamSettings, otherwise?: string): unknown {
  if (!(error instanceof JetStreamApiError)) return error;
  const variables = LIMITS[error.code];
  if (variables === undefined)
    return explainedCount(error, settings.name, otherwise ?? "use another account");
  const values: Partial<Record<string, unknown>> = {
    JS_REPLICAS: settings.replicas,
    JS_STREAM_MAX_BYTES: settings.maxBytes,
    JS_STORAGE: settings.storage,
  };
  const shown = variables.map((name) => `${name} (now ${values[name]})`).join(" or ");
  return new Error(
    `the NATS account or server does not allow a stream ${settings.name} of this size: ${error.message} (JetStream error ${error.code}). Set ${shown} to what the account's plan allows, or ${otherwise ?? "create the stream by hand"}`,
    { cause: error },
  );
}

/**
 * The stream of revocations, see `@odin-ws/protocol/revocation`. Always on disk: a revocation must survive a
 * restart of NATS.
 */
export function revocationStreamConfig({ replicas }: Pick<StreamSettings, "replicas">) {
  return {
    name: REVOCATIONS.stream,
    subjects: [REVOCATIONS.subjects],
    retention: "limits",
    // At the limit, NATS refuses a new revocation and its sender gets an error. An old one stays in force.
    discard: "new",
    storage: "file",
    num_replicas: replicas,
    max_msgs: REVOCATIONS.maxRevocations,
    max_msgs_per_subject: 1,
    max_bytes: REVOCATIONS.maxBytes,
    max_msg_size: REVOCATIONS.maxMessageBytes,
    allow_msg_ttl: true,
  } as const satisfies Partial<StreamConfig>;
}

/**
 * The stream whose metadata has the dictionaries of the compact encoding. It never has a message; its subject
 * is needed because every stream has one.
 */
export function dictionariesConfig(stream: string, replicas: number) {
  return {
    name: `${stream}_DICTIONARIES`,
    subjects: [`odin-dictionaries.${stream}`],
    retention: "limits",
    storage: "file",
    num_replicas: replicas,
    max_msgs: 1,
    max_bytes: 1024,
  } as const satisfies Partial<StreamConfig>;
}

/**
 * The mirror of a stream of the home region, in another region. It has the name and the limits of its origin,
 * which is in another JetStream domain.
 */
export function mirrorConfig(origin: Partial<StreamConfig> & { name: string }, homeDomain: string) {
  // Only the origin captures subjects and drops duplicates. A mirror that refused a message would stop.
  const { subjects: _subjects, duplicate_window: _window, ...limits } = origin;
  return {
    ...limits,
    discard: "old",
    mirror: { name: origin.name, external: { api: `$JS.${homeDomain}.API` } },
  } satisfies Partial<StreamConfig>;
}

/** Name of the stream that keeps the last value of each subject of the stream with this name. */
export const lastValuesName = (stream: string): string => `${stream}${LAST_VALUES_DEFAULTS.suffix}`;

/** The stream of last values that belongs to the stream of these settings. */
export function lastValuesConfig(settings: StreamSettings) {
  return {
    name: lastValuesName(settings.name),
    mirror: { name: settings.name },
    retention: "limits",
    discard: "old",
    storage: settings.storage,
    num_replicas: settings.replicas,
    max_age: LAST_VALUES_DEFAULTS.maxAgeSeconds * NANOSECONDS,
    max_msgs_per_subject: 1,
    max_bytes: settings.maxBytes,
  } as const satisfies Partial<StreamConfig>;
}

/**
 * Mistakes between the credentials file and the URLs of the servers.
 *
 * @param names how the mistakes name the URLs and the file
 */
export function loginMistakes(
  { NATS_URL, NATS_CREDS_FILE }: Partial<Pick<StreamVariables, "NATS_URL" | "NATS_CREDS_FILE">>,
  names = { url: "NATS_URL", file: "NATS_CREDS_FILE" },
): string[] {
  if (NATS_CREDS_FILE === undefined) return [];
  const mistakes: string[] = [];
  if (Object.keys(readNatsServers(NATS_URL ?? []).login).length > 0) {
    mistakes.push(
      `${names.file} cannot be used together with a user or token in ${names.url}: remove one of the two`,
    );
  }
  try {
    readFileSync(NATS_CREDS_FILE);
  } catch (error) {
    mistakes.push(`${names.file} cannot be read: ${(error as Error).message}`);
  }
  return mistakes;
}
