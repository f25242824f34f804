/** Reads all settings of the gateway from the environment. */

import { readFileSync } from "node:fs";
import { readNatsServers } from "@odin-ws/publisher/nats-servers";
import type { z } from "zod";
import { SECRETS, SETTINGS } from "./settings.ts";

type Raw = { [Variable in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[Variable]> };
export interface Config extends Omit<Raw, "SOURCE"> {
  SOURCE: "jetstream" | "poll" | "simulator";
}

/** All mistakes in an environment, one line for each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "ERR_CONFIG";
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.mistakes = mistakes;
  }
}

/**
 * Reads and checks all settings. An empty variable counts as unset.
 *
 * @throws ConfigError with one line for each mistake, naming the variable
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const mistakes: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [variable, schema] of Object.entries(SETTINGS)) {
    const value = env[variable] === "" ? undefined : env[variable];
    const result = schema.safeParse(value);
    settings[variable] = result.data;
    if (result.success) continue;
    const shown = value === undefined || SECRETS.has(variable) ? "" : ` (is ${JSON.stringify(value)})`;
    for (const { message } of result.error.issues) mistakes.push(`${variable} ${message}${shown}`);
  }
  const config = settings as unknown as Raw;
  mistakes.push(...contradictions(config, (variable) => (env[variable] ?? "") !== ""));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return { ...config, SOURCE: config.SOURCE ?? (config.NATS_URL === undefined ? "simulator" : "jetstream") };
}

const KEYS = ["JWT_SECRET", "JWT_PUBLIC_KEY", "JWKS_URL"] as const;

/**
 * Returns the contradictions between settings. A setting with an invalid value was reported before and is
 * undefined here.
 */
function contradictions(config: Partial<Raw>, isGiven: (variable: string) => boolean): string[] {
  const mistakes: string[] = [];
  if (config.AUTH_MODE === "jwt") {
    const keys = KEYS.filter(isGiven);
    if (keys.length === 0)
      mistakes.push(`AUTH_MODE jwt needs one of ${KEYS.join(", ")} (or say AUTH_MODE=none)`);
    if (keys.length > 1) mistakes.push(`AUTH_MODE jwt takes one key, but ${keys.join(" and ")} are set`);
  }
  const needs = { jetstream: "NATS_URL", poll: "POLL_URL", simulator: undefined }[
    config.SOURCE ?? "simulator"
  ];
  if (needs !== undefined && !isGiven(needs))
    mistakes.push(`${needs} is missing: SOURCE=${config.SOURCE} needs it`);
  if (config.WS_PORT !== undefined && config.WS_PORT !== 0 && config.WS_PORT === config.OPS_PORT) {
    mistakes.push(`OPS_PORT must differ from WS_PORT, both are ${config.WS_PORT}`);
  }
  const { WS_CPU_REJECT_THRESHOLD: reject = 0, WS_CPU_PAUSE_THRESHOLD: pause = 100 } = config;
  if (pause < reject)
    mistakes.push(
      `WS_CPU_PAUSE_THRESHOLD must not be below WS_CPU_REJECT_THRESHOLD (${reject}, is ${pause})`,
    );
  if (config.NATS_CREDS_FILE !== undefined) {
    const { login } = readNatsServers(config.NATS_URL ?? []);
    if (Object.keys(login).length > 0) {
      mistakes.push(
        "NATS_CREDS_FILE cannot be used together with a user or token in NATS_URL: unset one of them",
      );
    }
    try {
      readFileSync(config.NATS_CREDS_FILE);
    } catch (error) {
      mistakes.push(`NATS_CREDS_FILE cannot be read: ${(error as Error).message}`);
    }
  }
  return mistakes;
}

/** Returns variables that look like settings but are not: most likely their names are misspelled. */
export function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((key) => /^(WS|JS|JWT|JWKS|OPS|POLL)_/.test(key) && !(key in SETTINGS));
}
