/** Takes a command line apart, and says what is wrong with it rather than to guess. */

import { parseArgs } from "node:util";

export interface CommandLine {
  /** Everything that is no option. */
  words: string[];
  values: Readonly<Record<string, string | undefined>>;
  switches: ReadonlySet<string>;
}

/**
 * @param names options with a value
 * @param switches options without
 * @param problems gets a line for each mistake
 */
export function readFlags(
  args: readonly string[],
  names: readonly string[],
  switches: readonly string[],
  problems: string[],
): CommandLine {
  const types = [
    ...names.map((name) => [name, { type: "string" }] as const),
    ...switches.map((name) => [name, { type: "boolean" }] as const),
  ];
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    allowPositionals: true,
    // Else it would stop at the first mistake.
    strict: false,
    tokens: true,
  });
  const words: string[] = [];
  const values: Record<string, string> = {};
  const on = new Set<string>();
  /** Where the value of an option that does not exist would stand. */
  let strayAt = -1;
  for (const token of tokens) {
    if (token.kind === "positional") {
      if (token.index !== strayAt) words.push(token.value);
    } else if (token.kind === "option") {
      const { name, rawName, value, inlineValue, index } = token;
      if (switches.includes(name) && rawName.startsWith("--")) {
        if (value === undefined) on.add(name);
        else problems.push(`${rawName}: takes no value: leave ${JSON.stringify(`=${value}`)} out`);
      } else if (!names.includes(name) || !rawName.startsWith("--")) {
        problems.push(`${rawName}: no such option; see --help`);
        if (inlineValue !== true) strayAt = index + 1;
      } else if (value === undefined || value === "") problems.push(`${rawName}: needs a value`);
      else if (inlineValue !== true && value.startsWith("--"))
        problems.push(
          `${rawName}: needs a value, and ${value} follows; one like that is given as ${rawName}=…`,
        );
      // As everywhere: the last one counts.
      else values[name] = value;
    }
  }
  return { words, values, switches: on };
}
