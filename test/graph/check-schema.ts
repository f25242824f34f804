/** Compares the resources of a program with the arguments that their providers declare. */

import {
  argumentsOf,
  deprecationOf,
  type Field,
  type Fields,
  objectOf,
  PROVIDER,
  type Type,
} from "./typings.ts";
import type { Given } from "./watch-arguments.ts";

/** The checked part of a resource as infra/offline/offline.ts records it. */
export interface Checked {
  type: string;
  name: string;
  /** False for components, which have no schema. */
  custom: boolean;
  inputs: Record<string, unknown>;
}

/**
 * A line for each argument that is unknown, deprecated, missing, or of a value that the provider does not
 * allow, at any depth. For example `gcp:compute/disk:Disk data: snapshots is not an argument`.
 */
export function schemaProblems(resources: readonly Checked[]): string[] {
  return resources
    .filter(({ custom }) => custom)
    .flatMap(({ type, name, inputs }) => {
      const fields = argumentsOf(type);
      const provider = PROVIDER.exec(type)?.[1];
      const sdk = provider ?? type.split(":")[0] ?? "";
      const values = provider === undefined || fields === undefined ? inputs : fromText(fields, inputs);
      const problems = fields
        ? objectProblems(sdk, fields, values, "")
        : ["is of a type that no installed SDK has"];
      const deprecation = deprecationOf(type);
      if (deprecation !== undefined) problems.push(`is deprecated: ${deprecation}`);
      return problems.map((problem) => `${type} ${name}: ${problem}`);
    });
}

/**
 * A line for each argument that the SDK drops because the SDK does not know it; watch-arguments.ts sees the
 * arguments.
 */
export function droppedArguments(given: readonly Given[]): string[] {
  return given.flatMap(({ type, name, keys }) => {
    const fields = argumentsOf(type);
    const dropped = keys.filter((key) => fields !== undefined && !fields.has(key));
    return dropped.map((key) => `${type} ${name}: ${key} is not an argument`);
  });
}

/**
 * Reads the inputs of a provider, which arrive as text: strings as they are, and all other values as JSON.
 */
function fromText(fields: Fields, inputs: Record<string, unknown>): Record<string, unknown> {
  const isText = (name: string) => {
    const type = fields.get(name)?.type;
    return type === undefined || (type.kind === "value" && type.of === "string");
  };
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [
      name,
      typeof value === "string" && !isText(name) ? (JSON.parse(value) as unknown) : value,
    ]),
  );
}

function objectProblems(sdk: string, fields: Fields, value: object, path: string): string[] {
  const given = Object.entries(value).filter(([, item]) => item !== undefined && item !== null);
  const names = new Set(given.map(([name]) => name));
  const missing = [...fields].filter(([name, { required }]) => required && !names.has(name));
  return [
    ...missing.map(([name]) => `${path}${name} is required and missing`),
    ...given.flatMap(([name, item]) => {
      const field = fields.get(name);
      if (field === undefined) return [`${path}${name} is not an argument`];
      if (field.deprecated !== undefined) return [`${path}${name} is deprecated: ${field.deprecated}`];
      const problems = valueProblems(sdk, field.type, item, `${path}${name}`);
      return problems.length > 0 ? problems : choiceProblems(field, item, `${path}${name}`);
    }),
  ];
}

function choiceProblems({ values }: Field, value: unknown, path: string): string[] {
  if (values === undefined) return [];
  return [value]
    .flat()
    .filter((item) => typeof item === "string" && !values.includes(item))
    .map((item) => `${path} is ${JSON.stringify(item)} and must be one of ${values.join(", ")}`);
}

function valueProblems(sdk: string, type: Type, value: unknown, path: string): string[] {
  switch (type.kind) {
    case "any":
      return [];
    case "value":
      return typeof value === type.of ? [] : [`${path} is ${describe(value)} and must be a ${type.of}`];
    case "list":
      if (!Array.isArray(value)) return [`${path} is ${describe(value)} and must be a list`];
      return value.flatMap((item, index) => valueProblems(sdk, type.of, item, `${path}[${index}]`));
    case "map":
      if (!isObject(value)) return [`${path} is ${describe(value)} and must be a map`];
      return Object.entries(value).flatMap(([key, item]) =>
        valueProblems(sdk, type.of, item, `${path}.${key}`),
      );
    case "object": {
      if (!isObject(value)) return [`${path} is ${describe(value)} and must be an object`];
      const fields = objectOf(sdk, type.name);
      return fields
        ? objectProblems(sdk, fields, value, `${path}.`)
        : [`${path}: ${type.name} is declared nowhere`];
    }
    case "union": {
      const attempts = type.of.map((one) => valueProblems(sdk, one, value, path));
      return attempts.some((problems) => problems.length === 0) ? [] : (attempts[0] ?? []);
    }
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const describe = (value: unknown) =>
  Array.isArray(value)
    ? "a list"
    : isObject(value)
      ? "an object"
      : `the ${typeof value} ${JSON.stringify(value)}`;
