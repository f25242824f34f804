import { readFileSync } from "node:fs";
import { parse } from "yaml";

/** Pulumi.yaml with the type, the default and the description of each key. */
export const project = parse(readFileSync(new URL("../../Pulumi.yaml", import.meta.url), "utf8")) as {
  config: Record<string, { type: string; default?: unknown; description?: string }>;
};

const text = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : String(value));

/**
 * The given values, and the defaults of Pulumi.yaml for the rest, as the engine passes them to the program.
 */
export function defaults(values: Record<string, unknown>): Record<string, string> {
  const all = Object.entries(project.config)
    .filter(([key]) => !key.includes(":"))
    .map(([key, row]): [string, unknown] => [key, row.default]);
  return Object.fromEntries(
    Object.entries({ ...Object.fromEntries(all), ...values }).map(([key, value]) => [key, text(value)]),
  );
}
