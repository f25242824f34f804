/** What is wrong with one key: `maxInstances is 1: at least minInstances (2)`. */
export type Mistake = string;

/** Reads one value of the configuration, which Pulumi keeps as text; throws a Rejected that says what is allowed. */
export type Parse<Value> = (text: string) => Value;

/** A value that is not allowed; `allowed` completes the sentence "KEY is VALUE: …". */
export class Rejected extends Error {
  override readonly name = "Rejected";
}

export function integer(least: number, most: number): Parse<number> {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text.trim()) || value < least || value > most)
      throw new Rejected(`a whole number from ${least} to ${most}`);
    return value;
  };
}

export function choice<const Name extends string>(...names: readonly Name[]): Parse<Name> {
  return (text) => {
    const found = names.find((name) => name === text);
    if (found === undefined) throw new Rejected(`one of ${names.join(", ")}`);
    return found;
  };
}

export function boolean(text: string): boolean {
  if (text !== "true" && text !== "false") throw new Rejected("true or false");
  return text === "true";
}

/** Text that matches, or nothing: an empty value counts as unset. */
export function optional(pattern: RegExp, allowed: string): Parse<string | undefined> {
  return (text) => {
    if (text === "") return undefined;
    if (!pattern.test(text)) throw new Rejected(allowed);
    return text;
  };
}

/** Text that matches. */
export function required(pattern: RegExp, allowed: string): Parse<string> {
  return (text) => {
    if (!pattern.test(text)) throw new Rejected(allowed);
    return text;
  };
}

/** A list, each item of which matches. */
export function list(pattern: RegExp, allowed: string): Parse<string[]> {
  return (text) => {
    const items = json(text);
    if (!Array.isArray(items) || !items.every((item) => typeof item === "string" && pattern.test(item)))
      throw new Rejected(allowed);
    if (new Set(items).size < items.length) throw new Rejected(`${allowed}, each once`);
    return items as string[];
  };
}

/** A map of environment variables. Numbers and booleans of YAML become their text. */
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
