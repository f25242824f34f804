import type { Range } from "@odin-ws/infra";

/** A sentence that says what is wrong with one key: `minInstances is 6: at most maxInstances, which is 5`. */
export type Mistake = string;

/**
 * Reads one value of the configuration, which Pulumi keeps as text. Throws a {@link Rejected} for a value
 * that is not allowed.
 */
export type Parse<Value> = (text: string) => Value;

/** A value that is not allowed. The message completes the sentence "KEY is VALUE: allowed is …". */
export class Rejected extends Error {
  override readonly name = "Rejected";
}

/** A whole number. */
export function integer({ least, most }: Range): Parse<number> {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || value < least || value > most)
      throw new Rejected(`a whole number from ${least} to ${most}`);
    return value;
  };
}

/** One of a few names. */
export function choice<const Name extends string>(...names: readonly Name[]): Parse<Name> {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found === undefined) throw new Rejected(`one of ${names.join(", ")}`);
    return found;
  };
}

/** `true` or `false`. */
export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new Rejected("true or false");
  return text === "true";
}

/** Text that matches the pattern. An empty text counts as not set, and is read as undefined. */
export function optional(pattern: RegExp, allowed: string): Parse<string | undefined> {
  return (text) => {
    if (text === "") return undefined;
    if (!pattern.test(text)) throw new Rejected(allowed);
    return text;
  };
}

/** Text that matches the pattern. */
export function required(pattern: RegExp, allowed: string): Parse<string> {
  return (text) => {
    if (!pattern.test(text)) throw new Rejected(allowed);
    return text;
  };
}

/** A list of different texts, each of which matches the pattern. */
export function list(pattern: RegExp, allowed: string): Parse<string[]> {
  return (text) => {
    const items = json(text);
    if (!Array.isArray(items) || !items.every((item) => typeof item === "string" && pattern.test(item)))
      throw new Rejected(allowed);
    if (new Set(items).size < items.length) throw new Rejected(`${allowed}, each once`);
    return items as string[];
  };
}

/** A map of environment variables. Numbers and booleans of YAML become text. */
export function environment(text: string): Record<string, string> {
  const map = json(text);
  const isMap = typeof map === "object" && map !== null && !Array.isArray(map);
  const values = isMap ? Object.entries(map) : [];
  if (!isMap || values.some(([, value]) => typeof value === "object"))
    throw new Rejected("a map of the gateway's settings, for example WS_DRAIN_SECONDS: 60");
  return Object.fromEntries(values.map(([key, value]) => [key, String(value)]));
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
