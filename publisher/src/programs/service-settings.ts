/** The settings of the publisher's service, all from the environment. */

import type { Command } from "@odin-ws/settings/command-line";
import { boolean, decimal, whole } from "@odin-ws/settings/values";
import { readVariables, type Values } from "@odin-ws/settings/variables";
import { MAX_RATE } from "../market/market.ts";
import { loginMistakes, STREAM_SECRETS, STREAM_VARIABLES } from "../stream-settings.ts";
import { type Connection, connectionOf, randomSeed } from "./publisher-options.ts";

const MAX_PORT = 65_535;

const SETTINGS = {
  PUBLISHER_PORT: whole(0, MAX_PORT).default(3003).describe("HTTP port, 0 for any free port (3003)"),
  RATE: decimal(0, MAX_RATE)
    .default(12)
    .describe(`events per second, not counting the trending list, 0 to ${MAX_RATE} (12)`),
  TOKENS: whole(1, 100_000).default(200).describe("tokens on the market, 1 to 100000 (200)"),
  SEED: whole(0).optional().describe("the same seed gives the same market (a random seed)"),
  AUTOSTART: boolean().default(true).describe("false: publishes nothing until a rate is set (true)"),
  ...STREAM_VARIABLES,
};

export const COMMAND = {
  name: "npm run publisher",
  about:
    "Publishes a simulated token market to NATS until a signal stops the program. The rate can be changed over HTTP.",
  variables: SETTINGS,
} satisfies Command;

export interface ServiceSettings extends Connection {
  /** 0: any free port. */
  port: number;
  /** Events per second, not counting the trending list. 0: paused until a rate is set. */
  rate: number;
  tokens: number;
  seed: number;
}

/** Reads the environment. Returns all mistakes, a sentence each, when there are any. */
export function readServiceSettings(env: NodeJS.ProcessEnv): ServiceSettings | { mistakes: string[] } {
  const { values, mistakes } = readVariables(SETTINGS, env, STREAM_SECRETS);
  mistakes.push(...loginMistakes(values));
  if (mistakes.length > 0) return { mistakes };
  const settings = values as Values<typeof SETTINGS>;
  return {
    port: settings.PUBLISHER_PORT,
    rate: settings.AUTOSTART ? settings.RATE : 0,
    tokens: settings.TOKENS,
    seed: settings.SEED ?? randomSeed(),
    ...connectionOf(settings),
  };
}
