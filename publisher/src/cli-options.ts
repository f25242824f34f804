/** What `npm run publish` is told by its arguments and by the environment. */

import { parseArgs } from "node:util";
import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { z } from "zod";
import { InvalidOptionsError } from "./errors.ts";
import { type PublisherOptions, readOptions } from "./options.ts";

export interface CliOptions {
  /** Events per second beside trending. */
  rate: number;
  tokens: number;
  seed: number;
  /** Undefined: until Ctrl-C. */
  seconds: number | undefined;
  publisher: PublisherOptions;
  /** `host:port` of the servers, without passwords. */
  servers: string;
}

export const HELP = `Publishes a simulated token market to NATS JetStream.

  npm run publish -- [options]

  --rate N      events per second beside trending, 0.1 to 100000 (default 12)
  --tokens N    tokens on the market, 1 to 100000 (default 200)
  --seconds N   end after this time (default: at Ctrl-C)
  --seed N      the same seed gives the same market (default: another one each time)
  --url URL     NATS server, nats://host:4222 or tls://host:4222, several separated by commas
                (default NATS_URL, else nats://127.0.0.1:4222)
  --help        this text

Environment: NATS_URL, NATS_CREDS_FILE (credentials file), and for the stream, which is created when missing,
JS_STREAM_NAME (${STREAM_DEFAULTS.name}), JS_STORAGE (file or memory), JS_REPLICAS (1), JS_STREAM_MAX_AGE (30s),
JS_STREAM_MAX_MSGS (${STREAM_DEFAULTS.maxMessages}), JS_STREAM_MAX_BYTES (${STREAM_DEFAULTS.maxBytes}).`;

const FLAGS = ["rate", "tokens", "seconds", "seed", "url"] as const;
const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

const number = (min: number, max: number, pattern: RegExp, what: string) =>
  z
    .string(`needs a value: ${what} from ${min} to ${max}`)
    .refine((text) => pattern.test(text) && Number(text) >= min && Number(text) <= max, {
      error: ({ input }) => `must be ${what} from ${min} to ${max}, not ${JSON.stringify(input)}`,
    })
    .transform(Number);
const whole = (min: number, max: number) => number(min, max, /^\d+$/, "a whole number");
const decimal = (min: number, max: number) => number(min, max, /^\d+(\.\d+)?$/, "a number");
const seconds = z
  .string()
  .regex(/^\d+(ms|s|m|h)$/, {
    error: ({ input }) => `must be a time such as 30s, 5m or 1h, not ${JSON.stringify(input)}`,
  })
  .transform((text) => Number.parseInt(text, 10) * (UNITS[text.replace(/^\d+/, "")] ?? 1));

/** By the names that a person types, so that a mistake is reported under its name. */
const SETTINGS = z.object({
  "--rate": decimal(0.1, 100_000).default(12),
  "--tokens": whole(1, 100_000).default(200),
  "--seconds": decimal(0.1, 1_000_000).optional(),
  "--seed": whole(0, Number.MAX_SAFE_INTEGER).optional(),
  "--url": z.string("needs a value: nats://host:4222").optional(),
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
});

/** How the publisher's options are called here. */
const NAMES: Readonly<Record<string, string>> = {
  servers: "--url or NATS_URL",
  credentialsFile: "NATS_CREDS_FILE",
  stream: "JS_STREAM_NAME",
  "createStream.maxAgeSeconds": "JS_STREAM_MAX_AGE",
};

const rename = (problem: string): string => {
  const [name = "", ...rest] = problem.split(": ");
  return [NAMES[name] ?? name, ...rest].join(": ");
};

function readArguments(args: readonly string[], problems: string[]): Record<string, unknown> | "help" {
  const options = Object.fromEntries(FLAGS.map((flag) => [flag, { type: "string" as const }]));
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...options, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
    // Else it would stop at the first mistake.
    strict: false,
  });
  if (values.help === true) return "help";
  for (const text of positionals) problems.push(`${JSON.stringify(text)} is no option; see --help`);
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if ((FLAGS as readonly string[]).includes(name)) given[`--${name}`] = value;
    else problems.push(`--${name} is no option; see --help`);
  }
  return given;
}

function readPublisherOptions(options: PublisherOptions, problems: string[]): string {
  try {
    return readOptions(options).servers.join(", ");
  } catch (error) {
    if (!(error instanceof InvalidOptionsError)) throw error;
    problems.push(...error.problems.map(rename));
    return "";
  }
}

/** Reads arguments and environment; returns one line per mistake when there are any. */
export function readCli(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): CliOptions | "help" | { problems: string[] } {
  const problems: string[] = [];
  const given = readArguments(args, problems);
  if (given === "help") return "help";
  // Set but empty is how a shell unsets.
  const set = Object.entries(env).filter(([, value]) => value !== "");
  const { success, data, error } = SETTINGS.safeParse({ ...Object.fromEntries(set), ...given });
  if (!success) problems.push(...error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`));
  const { NATS_URL, NATS_CREDS_FILE } = env;
  const url = typeof given["--url"] === "string" ? given["--url"] : NATS_URL || undefined;
  const publisher: PublisherOptions = {
    ...(url !== undefined && { servers: url }),
    ...(NATS_CREDS_FILE && { credentialsFile: NATS_CREDS_FILE }),
    ...(env.JS_STREAM_NAME && { stream: env.JS_STREAM_NAME }),
    createStream: data === undefined || {
      storage: data.JS_STORAGE,
      replicas: data.JS_REPLICAS,
      maxAgeSeconds: data.JS_STREAM_MAX_AGE,
      maxMessages: data.JS_STREAM_MAX_MSGS,
      maxBytes: data.JS_STREAM_MAX_BYTES,
    },
  };
  const servers = readPublisherOptions(publisher, problems);
  if (data === undefined || problems.length > 0) return { problems };
  return {
    rate: data["--rate"],
    tokens: data["--tokens"],
    seconds: data["--seconds"],
    seed: data["--seed"] ?? Math.floor(Math.random() * 2 ** 32),
    publisher,
    servers,
  };
}
