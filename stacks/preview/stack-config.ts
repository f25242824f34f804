import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { type Stored, standIn } from "./stand-ins.ts";

/** A stack's configuration as the engine passes it to the program. */
export interface EngineConfig {
  project: string;
  stack: string;
  /** Values by full key; objects and lists as JSON. */
  config: Record<string, string>;
  /** Full keys of secret values. */
  secretKeys: string[];
  /** One line for each value that is replaced by a stand-in. */
  notes: string[];
}

/** A wrong configuration. The message has one line for each mistake. */
export class StackConfigError extends Error {
  readonly mistakes: string[];
  constructor(mistakes: string[]) {
    super(mistakes.join("\n"));
    this.name = "StackConfigError";
    this.mistakes = mistakes;
  }
}

interface Declared {
  type?: string;
  items?: { type?: string };
  default?: unknown;
  value?: unknown;
  secret?: boolean;
}

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  integer: (value) => Number.isInteger(value) || /^-?\d+$/.test(String(value)), // the engine accepts "3", too
  boolean: (value) => typeof value === "boolean" || value === "true" || value === "false",
  array: Array.isArray,
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
};

/** Names of the stacks that have a `Pulumi.<stack>.yaml`. */
export function stackNames(folder: string): string[] {
  return readdirSync(folder)
    .flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? [])
    .sort();
}

/**
 * Reads Pulumi.yaml and Pulumi.<stack>.yaml and merges them as the engine does: the stack's values come
 * first, then the values and defaults of the project. Encrypted values, missing secrets and a missing
 * `gcp:project` are replaced by stand-ins, so that neither a cloud nor a passphrase is needed.
 *
 * @param folder folder of the two files
 * @throws StackConfigError
 */
export function readStack(folder: string, stack: string): EngineConfig {
  if (!stackNames(folder).includes(stack)) {
    throw new StackConfigError([
      `--stack: no Pulumi.${stack}.yaml; there are ${stackNames(folder).join(", ")}`,
    ]);
  }
  const projectFile = parseFile(folder, "Pulumi.yaml");
  const project = String(projectFile.name);
  const full = (key: string) => (key.includes(":") ? key : `${project}:${key}`);
  const declared = byFullKey(projectFile.config, full) as Record<string, unknown>;
  const stored = byFullKey(parseFile(folder, `Pulumi.${stack}.yaml`).config, full);

  const mistakes: string[] = [];
  for (const [key, declaration] of Object.entries(declared)) {
    const { type, value, default: fallback } = asDeclared(declaration);
    if (!(key in stored)) {
      const projectWide = value ?? fallback;
      if (projectWide !== undefined) stored[key] = projectWide;
      else
        mistakes.push(
          `Pulumi.${stack}.yaml: ${key} is missing and has no default; set it with pulumi config set`,
        );
    } else if (type && !isEncrypted(stored[key]) && !TYPES[type]?.(stored[key])) {
      mistakes.push(
        `Pulumi.${stack}.yaml: ${key} must be of type ${type}, not ${JSON.stringify(stored[key])}`,
      );
    }
  }
  if (mistakes.length > 0) throw new StackConfigError(mistakes);
  return opened(project, stack, stored);
}

function opened(project: string, stack: string, stored: Stored): EngineConfig {
  const { values, secretKeys, notes } = standIn(project, stack, stored);
  const config = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  return { project, stack, config, secretKeys, notes };
}

function parseFile(folder: string, name: string): Record<string, unknown> {
  try {
    const content = parse(readFileSync(join(folder, name), "utf8")) as unknown;
    if (TYPES.object?.(content)) return content as Record<string, unknown>;
    if (content === null) return {};
  } catch (error) {
    throw new StackConfigError([`${name}: ${String((error as Error).message).split("\n")[0]}`]);
  }
  throw new StackConfigError([`${name}: not a map of keys to values`]);
}

function byFullKey(config: unknown, full: (key: string) => string): Stored {
  return Object.fromEntries(
    Object.entries((config as Stored) ?? {}).map(([key, value]) => [full(key), value]),
  );
}

function asDeclared(declaration: unknown): Declared {
  if (typeof declaration === "object" && declaration !== null && !Array.isArray(declaration))
    return declaration;
  return { value: declaration };
}

function isEncrypted(value: unknown): boolean {
  return typeof value === "object" && value !== null && "secure" in value;
}
