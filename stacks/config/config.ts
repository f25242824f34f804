/** Reads and checks a stack's configuration. No other file reads the configuration from Pulumi. */

import type { Site } from "@odin-ws/infra";
import * as pulumi from "@pulumi/pulumi";
import { contradictions } from "./contradictions.ts";
import { type FurtherRegion, furtherRegions, homeValues } from "./further-regions.ts";
import { defaultTarget, effectiveSettings } from "./gateway-size.ts";
import { KEYS, type Key, SECRET_KEYS, type Values } from "./keys.ts";
import { type Mistake, Rejected } from "./values.ts";

/**
 * A stack's configuration, complete and without contradictions. `zones`, `minInstances` and `maxInstances`
 * are those of the home region, also when the key `regions` has them.
 */
export interface StackConfig extends Values {
  /** The home region, which has NATS and monitoring. */
  site: Site;
  /** The other regions of the key `regions`; empty without the key. */
  furtherRegions: FurtherRegion[];
  /** The stack's name, for example `prod`. */
  stack: string;
}

/** A stack's configuration as Pulumi passes it to the program. */
export interface RawConfig {
  /** The project's keys without their namespace, as text; lists and maps as JSON. */
  values: Record<string, string>;
  stack: string;
  /** `gcp:project` and `gcp:region`. */
  project: string | undefined;
  region: string | undefined;
}

/**
 * Names of stacks. They have at most 13 characters, because `odin-STACK-ROLE` is a service account id of at
 * most 30.
 */
const STACK_NAME = /^[a-z]([a-z0-9-]{0,11}[a-z0-9])?$/;

/**
 * Whether a stack's data and addresses are protected and the stack must survive the loss of a zone: `prod`,
 * `prod-eu`.
 */
export function isProduction(stack: string): boolean {
  return stack === "prod" || stack.startsWith("prod-");
}

/** All mistakes of a configuration. The message has one line for each mistake. */
export class ConfigError extends pulumi.RunError {
  readonly mistakes: readonly Mistake[];

  constructor(stack: string, mistakes: readonly Mistake[]) {
    super(
      `Pulumi.${stack}.yaml has ${mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`}:\n` +
        mistakes.map((mistake) => `  ${mistake}`).join("\n"),
    );
    this.mistakes = mistakes;
  }
}

/**
 * Checks a configuration as a whole.
 *
 * @throws ConfigError with a line for each mistake: the key, its value, what is allowed
 */
export function parseConfig({ values, stack, project, region }: RawConfig): StackConfig {
  const mistakes: Mistake[] = [];
  if (!STACK_NAME.test(stack))
    mistakes.push(
      `the stack is called ${stack}: allowed are at most 13 lower-case letters, digits and dashes, because the name is part of account ids`,
    );
  if (!project) mistakes.push("gcp:project is missing: pulumi config set gcp:project PROJECT_ID");
  if (!region) mistakes.push("gcp:region is missing: pulumi config set gcp:region us-central1");
  for (const key of Object.keys(values)) {
    if (!(key in KEYS))
      mistakes.push(`${key} is not a key${similar(key)}: remove it with pulumi config rm ${key}`);
  }
  const parsed: Partial<Record<Key, unknown>> = {};
  for (const [key, parse] of Object.entries(KEYS) as [Key, (text: string) => unknown][]) {
    const text = values[key];
    if (text === undefined) {
      mistakes.push(`${key} is missing, and Pulumi.yaml has no default for it`);
      continue;
    }
    try {
      parsed[key] = parse(text);
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const shown = SECRET_KEYS.includes(key) ? "not right" : text === "" ? "empty" : text;
      mistakes.push(`${key} is ${shown}: allowed is ${error.message}`);
    }
  }
  mistakes.push(
    ...contradictions(parsed as Partial<Values>, { stack, region, production: isProduction(stack) }),
  );
  if (mistakes.length > 0 || !project || !region) throw new ConfigError(stack, mistakes);
  const all = parsed as Values;
  const site: Site = {
    project,
    region,
    prefix: `odin-${stack}`,
    labels: { app: "odin-ws", stack },
    production: isProduction(stack),
  };
  return {
    ...all,
    ...homeValues(all, region),
    connectionsTarget: all.connectionsTarget || targetOf(all),
    stack,
    site,
    furtherRegions: furtherRegions(all, site),
  };
}

/** The part of WS_MAX_CONNECTIONS that counts as a full gateway for the autoscaler. */
function targetOf({ machineType, gateway }: Values): number {
  return defaultTarget(Number(effectiveSettings(machineType, gateway).WS_MAX_CONNECTIONS));
}

/** The configuration of the stack that runs. @throws ConfigError */
export function readConfig(): StackConfig {
  const namespace = `${pulumi.getProject()}:`;
  const all = Object.entries(pulumi.runtime.allConfig());
  const own = all.filter(([key]) => key.startsWith(namespace));
  const gcp = new pulumi.Config("gcp");
  return parseConfig({
    values: Object.fromEntries(own.map(([key, value]) => [key.slice(namespace.length), value])),
    stack: pulumi.getStack(),
    project: gcp.get("project"),
    region: gcp.get("region"),
  });
}

/** Suggests a key for a mistyped one: ` (did you mean maxInstances?)`. */
function similar(key: string): string {
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z]/g, "");
  const written = plain(key);
  const found = Object.keys(KEYS).find((known) => {
    const name = plain(known);
    if (written.length > 3 && (name.startsWith(written) || written.startsWith(name))) return true;
    return editDistance(name, written) <= MAX_TYPOS;
  });
  return found ? ` (did you mean ${found}?)` : "";
}

const MAX_TYPOS = 2;

/**
 * How many letters have to be changed, added or removed to turn one word into the other (Levenshtein
 * distance).
 */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [line, letter] of [...a].entries()) {
    const next = [line + 1];
    for (const [column, other] of [...b].entries())
      next.push(
        Math.min(
          (next[column] ?? 0) + 1,
          (row[column + 1] ?? 0) + 1,
          (row[column] ?? 0) + (letter === other ? 0 : 1),
        ),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
