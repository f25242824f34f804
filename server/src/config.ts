/** Reads all settings of the gateway from the environment. */

import { loginMistakes } from "@odin-ws/publisher/stream-settings";
import { readVariables, type Values } from "@odin-ws/settings/variables";
import { SECRETS, SETTINGS } from "./settings.ts";

type Raw = Values<typeof SETTINGS>;
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
  const { values, mistakes } = readVariables(SETTINGS, env, SECRETS);
  mistakes.push(...contradictions(values, (variable) => (env[variable] ?? "") !== ""));
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const config = values as Raw;
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
  const { JWKS_MAX_AGE: fresh = 0, JWKS_MAX_STALE_AGE: stale = Number.POSITIVE_INFINITY } = config;
  if (stale < fresh) mistakes.push("JWKS_MAX_STALE_AGE must not be below JWKS_MAX_AGE");
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
  mistakes.push(...loginMistakes(config));
  return mistakes;
}

/** Returns variables that look like settings but are not: most likely their names are misspelled. */
export function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((key) => /^(WS|JS|JWT|JWKS|OPS|POLL)_/.test(key) && !(key in SETTINGS));
}
