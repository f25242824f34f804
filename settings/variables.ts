/**
 * Reads environment variables and reports each mistake in one form: name, what is allowed, what was given.
 */

import type { z } from "zod";

/** One schema for each name. The description of a schema is the help text of its variable. */
export type Schemas = Readonly<Record<string, z.ZodType>>;

/** The values that schemas read. */
export type Values<All extends Schemas> = { [Name in keyof All]: z.output<All[Name]> };

/**
 * Reads one value from text. An empty text counts as unset, because that is how a shell unsets a variable.
 *
 * @param name of the variable or option, for mistakes
 * @param mistakes gets a sentence for each mistake: `WS_PORT must be a whole number from 0 to 65535, not
 * "http"`
 * @param isSecret no mistake repeats the text
 * @returns undefined when there was a mistake
 */
export function readValue<Value>(
  name: string,
  schema: z.ZodType<Value>,
  text: string | undefined,
  mistakes: string[],
  isSecret = false,
): Value | undefined {
  const given = text === "" ? undefined : text;
  const { data, error } = schema.safeParse(given);
  for (const { message } of error?.issues ?? []) {
    if (given === undefined) mistakes.push(`${name} is missing: it ${message}`);
    else mistakes.push(`${name} ${message}${isSecret ? "" : `, not ${JSON.stringify(given)}`}`);
  }
  return data;
}

/**
 * Reads and checks environment variables.
 *
 * @param secrets names of variables whose text no mistake may repeat
 * @returns `values` has undefined for a variable with a mistake
 */
export function readVariables<All extends Schemas>(
  schemas: All,
  env: NodeJS.ProcessEnv,
  secrets: ReadonlySet<string> = new Set(),
): { values: Partial<Values<All>>; mistakes: string[] } {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(schemas))
    values[name] = readValue(name, schema, env[name], mistakes, secrets.has(name));
  return { values: values as Partial<Values<All>>, mistakes };
}
