import type { GoogleApi } from "./compute-api.ts";

/**
 * What a template changes for gateways that run another one:
 * - `nothing`: both describe the same VM
 * - `settings`: only the gateway's settings, files and secrets differ
 * - `release`: another image, another start-up script or another kind of VM
 */
export type TemplateChange = "nothing" | "settings" | "release";

/** The part of the API's template that describes the VM. */
export interface TemplateProperties {
  metadata?: { items?: { key?: string; value?: string }[] };
  [property: string]: unknown;
}

/** Attributes whose change is a release. All other attributes of odin-ws are settings. */
const RELEASE = /^odin-(image-|role$)|^(?!odin-)/;

/** Reads a template. @param url as the API or the provider writes it, with or without a unique id */
export async function readTemplate(api: GoogleApi, url: string): Promise<TemplateProperties> {
  const path = url.replace(/^https:\/\/[^/]+\/compute\/[^/]+\//, "").replace(/\?.*$/, "");
  const { properties = {} } = (await api("GET", path)) as { properties?: TemplateProperties };
  return properties;
}

export function changeBetween(before: TemplateProperties, after: TemplateProperties): TemplateChange {
  const { metadata: from, ...machine } = before;
  const { metadata: to, ...nextMachine } = after;
  if (stable(machine) !== stable(nextMachine)) return "release";
  const [old, next] = [attributes(from), attributes(to)];
  const changed = [...new Set([...old.keys(), ...next.keys()])].filter(
    (key) => old.get(key) !== next.get(key),
  );
  if (changed.length === 0) return "nothing";
  return changed.some((key) => RELEASE.test(key)) ? "release" : "settings";
}

function attributes(metadata: TemplateProperties["metadata"]): Map<string, string> {
  return new Map((metadata?.items ?? []).map(({ key = "", value = "" }) => [key, value]));
}

/** JSON with sorted keys, because the API promises no order. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
