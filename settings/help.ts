/**
 * Renders the help of a command: how it is called, what it does, and a table of its options and variables.
 */

import type { Command } from "./command.ts";

const WIDTH = 110; // columns
const GAP = 2; // columns between two columns of the table

/** Texts of the columns. The last one is the help, which may be wrapped. */
type Row = readonly string[];

/** The help of a command, without a line break at its end. */
export function helpText(command: Command): string {
  const { about, notes, variables = {} } = command;
  const parts = [usageOf(command), about, tableOf(optionRows(command))];
  const rows = Object.entries(variables).map(([name, { description = "" }]) => [name, description]);
  if (rows.length > 0) parts.push("Environment variables:", tableOf(rows));
  if (notes !== undefined) parts.push(notes);
  return parts.join("\n\n");
}

function usageOf({ name, usage, words = {}, options = {} }: Command): string {
  if (usage !== undefined) return usage;
  const parts = [...Object.keys(words), ...(Object.keys(options).length > 0 ? ["[options]"] : [])];
  return parts.length > 0 ? `${name} -- ${parts.join(" ")}` : name;
}

function optionRows({ words = {}, options = {} }: Command): Row[] {
  const all = [
    ...Object.entries(words).map(([name, word]) => [name, word] as const),
    ...Object.entries(options).map(([name, option]) => {
      const { placeholder } = option;
      return [`--${name}${placeholder === undefined ? "" : ` ${placeholder}`}`, option] as const;
    }),
  ];
  const withVariables = all.some(([, { variable }]) => variable !== undefined);
  const row = (name: string, variable: string, help: string) =>
    withVariables ? [name, variable, help] : [name, help];
  return [
    ...all.map(([name, { variable = "", schema }]) => row(name, variable, schema.description ?? "")),
    row("--help", "", "shows this text"),
  ];
}

function tableOf(rows: readonly Row[]): string {
  const count = rows[0]?.length ?? 0;
  const widths = Array.from(
    { length: count - 1 },
    (_, column) => GAP + Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const indent = widths.reduce((sum, width) => sum + width, GAP);
  return rows
    .flatMap((row) => {
      const [first = "", ...more] = wrap(row.at(-1) ?? "", WIDTH - indent);
      const columns = widths.map((width, column) => (row[column] ?? "").padEnd(width));
      return [
        `${" ".repeat(GAP)}${columns.join("")}${first}`,
        ...more.map((line) => " ".repeat(indent) + line),
      ];
    })
    .join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
