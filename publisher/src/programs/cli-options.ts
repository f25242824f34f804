/** What `npm run publish` is told by its arguments and by the environment. */

import { parseArgs } from "node:util";
import { STREAM_DEFAULTS } from "@odin-ws/protocol";
import { z } from "zod";
import { MAX_RATE } from "../market/market.ts";
import type { PublisherOptions } from "../options.ts";
import { decimal, readEnvironment, whole } from "./environment.ts";

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
                (default NATS_URL, else nats://127.0.0.1:4222); user:password@ or token@ may stand before the host,
                percent-encoded, but better in NATS_URL: other users of this machine see arguments
  --help        this text

Environment: NATS_URL, NATS_CREDS_FILE (credentials file), and for the stream, which is created when missing,
JS_STREAM_NAME (${STREAM_DEFAULTS.name}), JS_STORAGE (file or memory), JS_REPLICAS (1), JS_STREAM_MAX_AGE (30s),
JS_STREAM_MAX_MSGS (${STREAM_DEFAULTS.maxMessages}), JS_STREAM_MAX_BYTES (${STREAM_DEFAULTS.maxBytes}).`;

const FLAGS = ["rate", "tokens", "seconds", "seed", "url"] as const;
/** By the names that a person types, so that a mistake is reported under its name. */
const SETTINGS = {
  "--rate": decimal(0.1, MAX_RATE).default(12),
  "--tokens": whole(1, 100_000).default(200),
  "--seconds": decimal(0.1, 1_000_000).optional(),
  "--seed": whole(0, Number.MAX_SAFE_INTEGER).optional(),
  "--url": z.string("needs a value: nats://host:4222").optional(),
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

/** Reads arguments and environment; returns one line per mistake when there are any. */
export function readCli(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): CliOptions | "help" | { problems: string[] } {
  const problems: string[] = [];
  const given = readArguments(args, problems);
  if (given === "help") return "help";
  const url = given["--url"];
  if (typeof url === "string") given.NATS_URL = url;
  const read = readEnvironment(SETTINGS, env, given, "--url or NATS_URL");
  const { settings, publisher, servers, problems: wrong } = read;
  problems.push(...wrong);
  if (settings === undefined || problems.length > 0) return { problems };
  return {
    rate: settings["--rate"],
    tokens: settings["--tokens"],
    seconds: settings["--seconds"],
    seed: settings["--seed"] ?? Math.floor(Math.random() * 2 ** 32),
    publisher,
    servers,
  };
}
