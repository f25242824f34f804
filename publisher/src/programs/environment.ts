/** Where the stream is, from environment variables: what the command line and the service have in common. */

import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { z } from "zod";
import { InvalidOptionsError } from "../errors.ts";
import { type PublisherOptions, readOptions } from "../options.ts";

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

const number = (min: number, max: number, pattern: RegExp, what: string) =>
  z
    .string(`needs a value: ${what} from ${min} to ${max}`)
    .refine((text) => pattern.test(text) && Number(text) >= min && Number(text) <= max, {
      error: ({ input }) => `must be ${what} from ${min} to ${max}, not ${JSON.stringify(input)}`,
    })
    .transform(Number);
/** A whole number as text. */
export const whole = (min: number, max: number) => number(min, max, /^\d+$/, "a whole number");
/** A number as text, without an exponent. */
export const decimal = (min: number, max: number) => number(min, max, /^\d+(\.\d+)?$/, "a number");
const seconds = z
  .string()
  .regex(/^\d+(ms|s|m|h)$/, {
    error: ({ input }) => `must be a time such as 30s, 5m or 1h, not ${JSON.stringify(input)}`,
  })
  .transform((text) => Number.parseInt(text, 10) * (UNITS[text.replace(/^\d+/, "")] ?? 1));

const STREAM_SETTINGS = {
  NATS_URL: z.string().optional(),
  NATS_CREDS_FILE: z.string().optional(),
  JS_STREAM_NAME: z.string().default(STREAM_DEFAULTS.name),
  JS_STORAGE: z
    .enum(["file", "memory"], {
      error: ({ input }) => `must be file or memory, not ${JSON.stringify(input)}`,
    })
    .default(STREAM_DEFAULTS.storage),
  JS_REPLICAS: whole(1, 5).default(STREAM_DEFAULTS.replicas),
  JS_STREAM_MAX_AGE: seconds.default(STREAM_DEFAULTS.maxAgeSeconds),
  JS_STREAM_MAX_MSGS: whole(1, 1e12).default(STREAM_DEFAULTS.maxMessages),
  JS_STREAM_MAX_BYTES: whole(1024, 1e15).default(STREAM_DEFAULTS.maxBytes),
};

/** How the publisher's options are called here. */
const NAMES: Readonly<Record<string, string>> = {
  credentialsFile: "NATS_CREDS_FILE",
  stream: "JS_STREAM_NAME",
  "createStream.maxAgeSeconds": "JS_STREAM_MAX_AGE",
};

/** What was read: `data` and `publisher` hold only where there are no `problems`. */
export interface Environment<Settings> {
  settings: Settings | undefined;
  publisher: PublisherOptions;
  /** `host:port` of the servers, without passwords. */
  servers: string;
  /** A line for each mistake, under the name of the setting. */
  problems: string[];
}

/**
 * Reads the stream's variables and `own` settings together.
 *
 * @param own settings beside those of the stream, by the names that a person types.
 * @param env variables; one that is set but empty counts as unset: that is how a shell unsets.
 * @param given what takes precedence over variables. Default: nothing.
 * @param serversName what NATS_URL is called in a complaint.
 */
export function readEnvironment<Own extends z.ZodRawShape>(
  own: Own,
  env: NodeJS.ProcessEnv,
  given: Readonly<Record<string, unknown>> = {},
  serversName = "NATS_URL",
): Environment<z.output<z.ZodObject<Own>>> {
  const variables = Object.entries(env).filter(([, value]) => value !== "");
  const set = { ...Object.fromEntries(variables), ...given };
  const stream = z.object(STREAM_SETTINGS).safeParse(set);
  const settings = z.object(own).safeParse(set);
  const problems = [stream, settings].flatMap(({ error }) =>
    (error?.issues ?? []).map(({ path, message }) => `${path.join(".")}: ${message}`),
  );
  const publisher = publisherOptions(set, stream.data);
  let servers = "";
  try {
    servers = readOptions(publisher).servers.join(", ");
  } catch (error) {
    if (!(error instanceof InvalidOptionsError)) throw error;
    problems.push(...error.problems.map((problem) => rename(problem, serversName)));
  }
  return { settings: settings.data, publisher, servers, problems };
}

function publisherOptions(
  set: Readonly<Record<string, unknown>>,
  stream: z.output<z.ZodObject<typeof STREAM_SETTINGS>> | undefined,
): PublisherOptions {
  const text = (name: string) => (typeof set[name] === "string" ? set[name] : undefined);
  const [servers, credentialsFile, name] = ["NATS_URL", "NATS_CREDS_FILE", "JS_STREAM_NAME"].map(text);
  return {
    ...(servers !== undefined && { servers }),
    ...(credentialsFile !== undefined && { credentialsFile }),
    ...(name !== undefined && { stream: name }),
    createStream: stream === undefined || {
      storage: stream.JS_STORAGE,
      replicas: stream.JS_REPLICAS,
      maxAgeSeconds: stream.JS_STREAM_MAX_AGE,
      maxMessages: stream.JS_STREAM_MAX_MSGS,
      maxBytes: stream.JS_STREAM_MAX_BYTES,
    },
  };
}

function rename(problem: string, serversName: string): string {
  const [name = "", ...rest] = problem.split(": ");
  return [name === "servers" ? serversName : (NAMES[name] ?? name), ...rest].join(": ");
}
