import type { Range } from "@odin-ws/infra";
import { boolean as flag, whole, choice as word } from "@odin-ws/settings/values";

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

/** A reader of @odin-ws/settings. */
interface Schema<Value> {
  safeParse(
    text: string,
  ): { success: true; data: Value } | { success: false; error: { issues: { message: string }[] } };
}

/** Reads a value as settings and command lines do. The error of the schema begins with "must be". */
function as<Value>(schema: Schema<Value>): Parse<Value> {
  return (text) => {
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    throw new Rejected((result.error.issues[0]?.message ?? "").replace(/^must be /, ""));
  };
}

/** A whole number. */
export const integer = ({ least, most }: Range): Parse<number> => as(whole(least, most));

/** One of a few names. */
export const choice = <const Name extends string>(...names: readonly Name[]): Parse<Name> => as(word(names));

/** `true` or `false`. */
export const boolean: Parse<boolean> = as(flag());

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
  const allowed = "a map of the gateway's settings, for example WS_DRAIN_SECONDS: 60";
  const values = entriesOf(text, allowed);
  if (values.some(([, value]) => typeof value === "object")) throw new Rejected(allowed);
  return Object.fromEntries(values.map(([key, value]) => [key, String(value)]));
}

/**
 * The entries of a map.
 *
 * @param allowed what the key must be, for the error
 */
export function entriesOf(text: string, allowed: string): [string, unknown][] {
  const map = json(text);
  if (typeof map !== "object" || map === null || Array.isArray(map)) throw new Rejected(allowed);
  return Object.entries(map);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
