/**
 * Reads the arguments of resources from the SDKs' .d.ts files. The files are generated, so that all
 * declarations look alike.
 */

import { existsSync, readFileSync } from "node:fs";

/** The type of an argument. */
export type Type =
  | { kind: "any" }
  | { kind: "value"; of: "string" | "number" | "boolean" }
  | { kind: "list" | "map"; of: Type }
  /** `name` as declared, for example `inputs.compute.InstanceTemplateDisk`. */
  | { kind: "object"; name: string }
  | { kind: "union"; of: Type[] };

/** One argument of a resource, or one field of a nested object. */
export interface Field {
  required: boolean;
  /** The SDK's text about the deprecation; undefined for a field that is not deprecated. */
  deprecated: string | undefined;
  /** The allowed texts, also as items of a list; undefined where any text is allowed. */
  values: string[] | undefined;
  type: Type;
}

export type Fields = Map<string, Field>;

const SDKS = new URL("../../node_modules/@pulumi/", import.meta.url);

/**
 * The arguments of a resource type, for example `gcp:compute/disk:Disk`; undefined when no installed SDK has
 * the type.
 */
export function argumentsOf(type: string): Fields | undefined {
  const provider = PROVIDER.exec(type)?.[1];
  if (provider !== undefined) return declared(`${provider}/provider.d.ts`, "ProviderArgs");
  return declared(fileOf(type), `${type.split(":").at(-1)}Args`);
}

/** The type of a package's provider. The group is the package's name. */
export const PROVIDER = /^pulumi:providers:(\w+)$/;

/**
 * The file in which an SDK declares a type: `gcp:compute/disk:Disk` in gcp/compute/disk.d.ts,
 * `gcp:compute/uRLMap:URLMap` in gcp/compute/urlmap.d.ts, `tls:index/privateKey:PrivateKey` in
 * tls/privateKey.d.ts, `command:local:Command` in command/local/command.d.ts.
 */
function fileOf(type: string): string {
  const [sdk = "", module = "", name = ""] = type.split(":");
  const folder = module.split("/")[0] ?? "";
  const file = name.replace(/^[A-Z]+/, (capitals) => capitals.toLowerCase());
  return [sdk, ...(folder === "index" ? [] : [folder]), `${file}.d.ts`].join("/");
}

/** Why a resource type is deprecated; undefined for a type that is not. */
export function deprecationOf(type: string): string | undefined {
  const name = type.split(":").at(-1) ?? "";
  const source = sourceOf(fileOf(type));
  const before = source.slice(0, Math.max(0, source.indexOf(`export declare class ${name} `)));
  return /@deprecated ([^\n]+)\s*\n? *\*\/\s*$/.exec(before)?.[1];
}

/** The fields of a nested object, by the name of the field's type. */
export function objectOf(sdk: string, name: string): Fields | undefined {
  return declared(`${sdk}/types/input.d.ts`, name.replace(/^inputs\./, ""));
}

const sources = new Map<string, string>();
const interfaces = new Map<string, Fields | undefined>();

/** The fields of an interface in a file. The name may begin with namespaces. */
function declared(path: string, name: string): Fields | undefined {
  const key = `${path} ${name}`;
  if (!interfaces.has(key)) interfaces.set(key, read(path, name));
  return interfaces.get(key);
}

function read(path: string, name: string): Fields | undefined {
  const source = sourceOf(path);
  const steps = name.split(".");
  let start = 0;
  for (const [depth, step] of steps.entries()) {
    const indent = " ".repeat(4 * depth);
    const word = depth === steps.length - 1 ? "interface" : "namespace";
    const found = new RegExp(`^${indent}(export )?(declare )?${word} ${step} \\{`, "m").exec(
      source.slice(start),
    );
    if (found === null) return undefined;
    start += found.index + found[0].length;
  }
  const indent = " ".repeat(4 * (steps.length - 1));
  const body = source.slice(start, source.indexOf(`\n${indent}}`, start));
  return fieldsOf(body, `${indent}    `);
}

function sourceOf(path: string): string {
  const known = sources.get(path);
  if (known !== undefined) return known;
  const file = new URL(path, SDKS);
  const source = existsSync(file) ? readFileSync(file, "utf8") : "";
  sources.set(path, source);
  return source;
}

function fieldsOf(body: string, indent: string): Fields {
  const fields: Fields = new Map();
  const field = new RegExp(
    `^${indent}(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)?(\\w+)(\\??): ((?:[^;{]|\\{[^}]*\\})*);$`,
    "gm",
  );
  for (const [, comment = "", name = "", optional, type = ""] of body.matchAll(field)) {
    const text = comment.replaceAll(/\s*\n\s*\*\s*/g, " ");
    const deprecated = /@deprecated (.*)/.exec(text)?.[1]?.trim();
    // The generator writes the values that the provider accepts, always with these words.
    const listed = /(?:Possible values are|Each value may be one of): ((?:`[^`]+`(?:, )?)+)\./.exec(
      text,
    )?.[1];
    const values = listed?.match(/[^`, ]+/g) ?? undefined;
    fields.set(name, { required: optional === "", deprecated, values, type: parseType(type) });
  }
  return fields;
}

/** Reads a type expression. `pulumi.Input<T>` is read as T, and an unknown type as any. */
function parseType(text: string): Type {
  const tokens = text.match(/[\w.]+|"[^"]*"|[^\s\w]/g) ?? [];
  let next = 0;
  const eat = (token: string) => {
    if (tokens[next] !== token)
      throw new Error(`expected ${token} at ${tokens.slice(next).join(" ")} in ${text}`);
    next++;
  };

  function union(): Type {
    const parts = [suffixed()];
    while (tokens[next] === "|") {
      next++;
      parts.push(suffixed());
    }
    const [first, ...others] = parts.filter((part) => !(part.kind === "object" && part.name === "undefined"));
    if (first === undefined) return { kind: "any" };
    return others.length === 0 ? first : { kind: "union", of: [first, ...others] };
  }

  function suffixed(): Type {
    let type = primary();
    while (tokens[next] === "[") {
      eat("[");
      eat("]");
      type = { kind: "list", of: type };
    }
    return type;
  }

  function primary(): Type {
    const token = tokens[next++] ?? "";
    if (token === "pulumi.Input") {
      eat("<");
      const inside = union();
      eat(">");
      return inside;
    }
    if (token === "{") {
      next += tokens.slice(next).indexOf("]") + 1; // [key: string]
      eat(":");
      const of = union();
      if (tokens[next] === ";") next++;
      eat("}");
      return { kind: "map", of };
    }
    if (token === "(") {
      const inside = union();
      eat(")");
      return inside;
    }
    if (token === "string" || token === "number" || token === "boolean") return { kind: "value", of: token };
    if (token.startsWith('"') || token.startsWith("enums.")) return { kind: "value", of: "string" };
    if (token.startsWith("inputs.") || token === "undefined") return { kind: "object", name: token };
    return { kind: "any" };
  }

  return union();
}
