/** Command lines: one form of help and one form of mistakes for all programs of this repository. */

import { parseArgs } from "node:util";
import type { z } from "zod";
import type { Command, CommandParts, Option, Options } from "./command.ts";
import { helpText } from "./help.ts";
import { readValue, type Schemas, type Values } from "./variables.ts";

export type { Command };

type OptionValues<All> = { [Name in keyof All]: All[Name] extends Option<infer Value> ? Value : never };

/** The values of a command line, by the names of words, options and variables. */
export type CommandValues<Parts extends CommandParts> = (Parts["words"] extends Options
  ? OptionValues<Parts["words"]>
  : unknown) &
  (Parts["options"] extends Options ? OptionValues<Parts["options"]> : unknown) &
  (Parts["variables"] extends Schemas ? Values<Parts["variables"]> : unknown);

/** A command line that was read, all mistakes in it (a sentence each), or a request for help. */
export type Read<Result> = Result | { mistakes: string[] } | "help";

type Details = Pick<Option, "variable" | "secret" | "repeatable">;

/** An option or a word with a value. */
export const option = <Value>(
  placeholder: string,
  schema: z.ZodType<Value>,
  details: Details = {},
): Option<Value> => ({ ...details, schema, placeholder });

/** An option without a value. `schema` reads `true` and `false`: the text of its variable. */
export const flag = (
  schema: z.ZodType<boolean>,
  details: Pick<Option, "variable"> = {},
): Option<boolean> => ({
  ...details,
  schema,
  placeholder: undefined,
});

/**
 * Reads a command line and the environment variables that belong to it.
 *
 * @param args after the script's name
 * @param check returns the mistakes between values; a value that has a mistake of its own is undefined
 */
export function readCommand<const Parts extends Command>(
  command: Parts,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  check: (values: Partial<CommandValues<Parts>>) => string[] = () => [],
): Read<CommandValues<Parts>> {
  if (args.includes("--help") || args.includes("-h")) return "help";
  const { words = {}, options = {}, variables = {}, secrets } = command;
  const mistakes: string[] = [];
  const given = takeApart(command, args, mistakes);
  const values: Record<string, unknown> = {};
  const readOption = (name: string, shown: string, { schema, variable, secret }: Option) => {
    const text = given.get(name);
    if (text === null) return; // Its mistake has been reported.
    const fromVariable = variable !== undefined && text === undefined && (env[variable] ?? "") !== "";
    const source = fromVariable ? variable : shown;
    values[name] = readValue(source, schema, fromVariable ? env[variable] : text, mistakes, secret);
  };
  for (const [name, word] of Object.entries(words)) readOption(name, name, word);
  for (const [name, each] of Object.entries(options)) readOption(name, `--${name}`, each);
  for (const [name, schema] of Object.entries(variables))
    values[name] = readValue(name, schema, env[name], mistakes, secrets?.has(name));
  mistakes.push(...check(values as Partial<CommandValues<Parts>>));
  return mistakes.length > 0 ? { mistakes } : (values as CommandValues<Parts>);
}

/** Returns the text of each word and option that is given; null for an option with a mistake. */
function takeApart(
  { words = {}, options = {} }: CommandParts,
  args: readonly string[],
  mistakes: string[],
): Map<string, string | null> {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { placeholder }]) => [
        name,
        { type: placeholder === undefined ? "boolean" : "string" },
      ]),
    ),
    allowPositionals: true,
    strict: false, // Strict parsing would stop at the first mistake.
    tokens: true,
  });
  const given = new Map<string, string | null>();
  const wordNames = Object.keys(words);
  /**
   * Place of the last option that does not exist. A word right behind that option is most likely its value.
   */
  let unknownAt = -2;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      if (token.index === unknownAt + 1) continue;
      const name = wordNames.shift();
      if (name === undefined) mistakes.push(`${JSON.stringify(token.value)} is one word too many`);
      else given.set(name, token.value);
      continue;
    }
    const { name, rawName, value, inlineValue, index } = token;
    const known = rawName.startsWith("--") && Object.hasOwn(options, name) ? options[name] : undefined;
    if (known === undefined) {
      // `-abc` is one mistake and not three.
      if (index !== unknownAt) mistakes.push(`${rawName} is not an option`);
      unknownAt = inlineValue ? -2 : index;
    } else {
      const mistake = formMistake(rawName, known, value, inlineValue ?? false);
      if (mistake !== undefined) mistakes.push(mistake);
      const before = known.repeatable === true ? given.get(name) : undefined;
      const text = value ?? "true";
      given.set(name, mistake !== undefined ? null : typeof before === "string" ? `${before},${text}` : text);
    }
  }
  return given;
}

function formMistake(
  rawName: string,
  { placeholder }: Option,
  value: string | undefined,
  isInline: boolean,
): string | undefined {
  if (placeholder === undefined)
    return value === undefined
      ? undefined
      : `${rawName} takes no value: remove ${JSON.stringify(`=${value}`)}`;
  if (value === undefined || value === "") return `${rawName} needs a value`;
  if (!isInline && value.startsWith("--"))
    return `${rawName} needs a value: write ${rawName}=${value} if ${value} is the value`;
  return undefined;
}

/**
 * Returns what was read. Help and mistakes end the process instead: help goes to stdout with exit code 0,
 * mistakes go to stderr with exit code 2, a line each, followed by a line that says how to get help.
 */
export function valuesOrExit<Result>(command: Command, read: Read<Result>): Result {
  if (read === "help") {
    process.stdout.write(`${helpText(command)}\n`);
    process.exit(0);
  }
  if (isMistaken(read)) {
    process.stderr.write(
      [...read.mistakes, `${command.name} -- --help shows what is allowed`, ""].join("\n"),
    );
    process.exit(2);
  }
  return read;
}

const isMistaken = (read: unknown): read is { mistakes: string[] } =>
  typeof read === "object" && read !== null && "mistakes" in read;
