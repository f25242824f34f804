/** Reads all settings of the gateway from the environment. */

import { LAST_VALUES_DEFAULTS } from "@odin-ws/protocol";
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
      mistakes.push(`AUTH_MODE jwt needs one of ${KEYS.join(", ")} (or an explicit AUTH_MODE=none)`);
    if (isGiven("JWT_SECRET_PREVIOUS") && !isGiven("JWT_SECRET"))
      mistakes.push("JWT_SECRET is missing: JWT_SECRET_PREVIOUS has no use without it");
    if (keys.length > 1) mistakes.push(`AUTH_MODE jwt takes one key, but ${keys.join(" and ")} are set`);
  }
  const { JWKS_MAX_AGE: fresh = 0, JWKS_MAX_STALE_AGE: stale = Number.POSITIVE_INFINITY } = config;
  if (stale < fresh) mistakes.push("JWKS_MAX_STALE_AGE must not be below JWKS_MAX_AGE");
  const needs = { jetstream: "NATS_URL", poll: "POLL_URL", simulator: undefined }[
    config.SOURCE ?? "simulator"
  ];
  if (needs !== undefined && !isGiven(needs))
    mistakes.push(`${needs} is missing: SOURCE=${config.SOURCE} needs it`);
  if (config.WS_PATH === "/" && isGiven("DEMO_PAGE"))
    mistakes.push("WS_PATH must not be / with DEMO_PAGE, because the page is served at /");
  if (config.WS_PORT !== undefined && config.WS_PORT !== 0 && config.WS_PORT === config.OPS_PORT) {
    mistakes.push(`OPS_PORT must differ from WS_PORT, both are ${config.WS_PORT}`);
  }
  const { WS_CPU_REJECT_THRESHOLD: reject = 0, WS_CPU_PAUSE_THRESHOLD: pause = 100 } = config;
  if (pause < reject)
    mistakes.push(
      `WS_CPU_PAUSE_THRESHOLD must not be below WS_CPU_REJECT_THRESHOLD (${reject}, is ${pause})`,
    );
  mistakes.push(...throttleMistakes(config));
  const login = loginMistakes(config);
  mistakes.push(...(login.length > 0 ? login : sourceMistakes(isGiven)));
  return mistakes;
}

/** Without these checks, a gateway that was meant to have another source would serve a simulated market. */
function sourceMistakes(isGiven: (variable: string) => boolean): string[] {
  if (isGiven("SOURCE")) return [];
  const mistakes: string[] = [];
  if (isGiven("POLL_URL")) mistakes.push("SOURCE must be poll when POLL_URL is set (or unset POLL_URL)");
  else if (!isGiven("NATS_URL"))
    for (const variable of ["NATS_CREDS_FILE", "JS_HOME_DOMAIN"].filter(isGiven))
      mistakes.push(`NATS_URL is missing: ${variable} has no use without it`);
  return mistakes;
}

/** Levels that send more than the level below would make a slow client slower. */
function throttleMistakes(config: Partial<Raw>): string[] {
  const { WS_THROTTLE_POLICY: policy, WS_THROTTLE_LIGHT_PERCENT: light = 100 } = config;
  const { WS_THROTTLE_MEDIUM_PERCENT: medium = light, WS_THROTTLE_HEAVY_PERCENT: heavy = 0 } = config;
  if (policy !== "rate" || (light >= medium && medium >= heavy)) return [];
  return [
    "WS_THROTTLE_LIGHT_PERCENT, WS_THROTTLE_MEDIUM_PERCENT and WS_THROTTLE_HEAVY_PERCENT must not rise " +
      `(${light}, ${medium}, ${heavy}): each level must send less`,
  ];
}

/** Returns variables that look like settings but are not: most likely their names are misspelled. */
export function unknownSettings(env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter((key) => /^(WS|JS|JWT|JWKS|OPS|POLL)_/.test(key) && !(key in SETTINGS));
}

/** Limits of the last values that one process keeps. */
export function lastValuesLimits(config: Pick<Config, "JS_STREAM_MAX_BYTES">) {
  return { maxAgeMs: LAST_VALUES_DEFAULTS.maxAgeSeconds * 1000, maxBytes: config.JS_STREAM_MAX_BYTES };
}
