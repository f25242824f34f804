/** What a command line consists of. */

import type { z } from "zod";
import type { Schemas } from "./variables.ts";

/** An option or a word of a command line. The description of its schema is its help text. */
export interface Option<Value = unknown> {
  schema: z.ZodType<Value>;
  /** What the help shows in place of a value, for example `N`. Undefined: a flag, which takes no value. */
  placeholder: string | undefined;
  /** Environment variable that counts when the option is not given. */
  variable?: string;
  /** Whether mistakes leave out the value. */
  secret?: boolean;
  /**
   * The option may be given several times; its values are joined by commas. Otherwise the last one counts.
   */
  repeatable?: boolean;
}

export type Options = Readonly<Record<string, Option>>;

/** What a command line may consist of. */
export interface CommandParts {
  /** Words that are not options, in their order. */
  words?: Options;
  /** Options by their names, without the dashes. */
  options?: Options;
  /** Environment variables that have no option. */
  variables?: Schemas;
  /** Names of variables whose text no mistake may repeat. */
  secrets?: ReadonlySet<string>;
}

export interface Command extends CommandParts {
  /** What a person types, for example `npm run publish`. */
  name: string;
  /** How the command is called. Default: the name, with its words and `[options]`. */
  usage?: string;
  /** Text of the help before the options. */
  about: string;
  /** Text at the end of the help. */
  notes?: string;
}
