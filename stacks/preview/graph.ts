import type { Recorded } from "@odin-ws/infra";

type Inputs = Record<string, unknown>;

/** The resources of a program and their dependencies. */
export interface Graph {
  resources: Recorded[];
  /** Resources of the types. */
  all(...types: string[]): Recorded[];
  /**
   * Resources of the types that `resource` depends on, directly or through others that are not components.
   */
  upstream(resource: Recorded, ...types: string[]): Recorded[];
  /** Resources of the types that depend on `resource`, directly or through others. */
  downstream(resource: Recorded, ...types: string[]): Recorded[];
}

/** Builds the graph of one program's resources. */
export function graphOf(resources: Recorded[]): Graph {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const before = new Map(resources.map((resource) => [resource.urn, resource.dependencies]));
  const after = new Map<string, string[]>();
  for (const { urn, dependencies } of resources) {
    for (const dependency of dependencies) after.set(dependency, [...(after.get(dependency) ?? []), urn]);
  }
  const reach =
    (edges: Map<string, string[]>) =>
    (from: Recorded, ...types: string[]) => {
      const seen = new Set([from.urn]);
      for (const urn of seen) for (const next of edges.get(urn) ?? []) seen.add(next);
      seen.delete(from.urn);
      return [...seen].flatMap((urn) => byUrn.get(urn) ?? []).filter(({ type }) => types.includes(type));
    };
  return {
    resources,
    all: (...types) => resources.filter(({ type }) => types.includes(type)),
    upstream: reach(before),
    downstream: reach(after),
  };
}

/**
 * The value at a path of the inputs, for example `at(inputs, "bootDisk.initializeParams.size")`; the path has
 * `0` for `[0]`.
 */
export function at(inputs: unknown, path: string): unknown {
  let value = inputs;
  for (const key of path.split(".")) value = (value as Inputs | null | undefined)?.[key];
  return value;
}

/** The text at a path, or "". */
export function textAt(inputs: unknown, path: string): string {
  const value = at(inputs, path);
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** The number at a path, which may also be written as text; `fallback` without a number. */
export function numberAt(inputs: unknown, path: string, fallback: number): number {
  const value = at(inputs, path);
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : fallback;
}

/** The list at a path, or an empty one. */
export function listAt(inputs: unknown, path: string): unknown[] {
  const value = at(inputs, path);
  return Array.isArray(value) ? value : [];
}
