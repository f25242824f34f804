/** The command line of `npm run publish`. */

import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { decimal, whole } from "@odin-ws/settings/values";
import { MAX_RATE } from "../market/market.ts";
import { loginMistakes, natsUrls, STREAM_VARIABLES } from "../stream-settings.ts";
import { type Connection, connectionOf, randomSeed } from "./publisher-options.ts";

export interface CliOptions extends Connection {
  /** Events per second, not counting the trending list. */
  rate: number;
  tokens: number;
  seed: number;
  /** Undefined: until Ctrl-C. */
  seconds: number | undefined;
}

const { NATS_URL: _, ...variables } = STREAM_VARIABLES;

export const COMMAND = {
  name: "npm run publish",
  about: "Publishes a simulated token market to NATS JetStream. Creates the stream when it is missing.",
  options: {
    rate: option(
      "N",
      decimal(0.1, MAX_RATE)
        .default(12)
        .describe(`events per second, not counting the trending list, 0.1 to ${MAX_RATE} (12)`),
    ),
    tokens: option("N", whole(1, 100_000).default(200).describe("tokens on the market, 1 to 100000 (200)")),
    seconds: option(
      "N",
      decimal(0.1, 1_000_000).optional().describe("end after this many seconds (only at Ctrl-C)"),
    ),
    seed: option("N", whole(0).optional().describe("the same seed gives the same market (a random seed)")),
    url: option(
      "URL",
      natsUrls()
        .optional()
        .describe(
          "NATS server, nats://host:4222 or tls://host:4222, or several separated by commas (nats://127.0.0.1:4222); " +
            "user:password@ or token@ may stand before the host, percent-encoded. Prefer NATS_URL for a password: other " +
            "users of this machine can see arguments",
        ),
      { variable: "NATS_URL", secret: true },
    ),
  },
  variables,
} satisfies Command;

/** Reads the command line and the environment. */
export function readCli(args: readonly string[], env: NodeJS.ProcessEnv): Read<CliOptions> {
  const urlName = args.some((arg) => arg.startsWith("--url")) ? "--url" : "NATS_URL";
  const read = readCommand(COMMAND, args, env, ({ url, NATS_CREDS_FILE }) =>
    loginMistakes({ NATS_URL: url, NATS_CREDS_FILE }, { url: urlName, file: "NATS_CREDS_FILE" }),
  );
  if (read === "help" || "mistakes" in read) return read;
  const { rate, tokens, seconds, seed = randomSeed(), url: NATS_URL, ...stream } = read;
  return { rate, tokens, seconds, seed, ...connectionOf({ NATS_URL, ...stream }) };
}
