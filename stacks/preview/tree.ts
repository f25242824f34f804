import type { Recorded } from "@odin-ws/infra";
import { at } from "./graph.ts";

const ROOT = "pulumi:pulumi:Stack";
const LONGEST = 64; // characters of a value that are shown

/**
 * Most important inputs of a resource, by the last part of its type. Resources of other types show their
 * first one of `COMMON`.
 */
const IMPORTANT: Record<string, string[]> = {
  Address: ["addressType", "address"],
  AlertPolicy: ["displayName", "severity"],
  Command: ["create"],
  Disk: ["size", "type"],
  Firewall: ["allows", "description"],
  ForwardingRule: ["portRange", "ports"],
  GlobalForwardingRule: ["portRange"],
  HealthCheck: ["httpHealthCheck.requestPath", "checkIntervalSec"],
  IAMMember: ["role", "member"],
  Instance: ["machineType", "zone"],
  InstanceTemplate: ["machineType", "scheduling.provisioningModel"],
  RegionAutoscaler: ["autoscalingPolicy.minReplicas", "autoscalingPolicy.maxReplicas"],
  RegionBackendService: ["sessionAffinity", "connectionDrainingTimeoutSec"],
  BackendService: ["sessionAffinity", "connectionDrainingTimeoutSec"],
  RegionHealthCheck: ["httpHealthCheck.requestPath", "checkIntervalSec"],
  RegionInstanceGroupManager: ["distributionPolicyZones", "updatePolicy.replacementMethod"],
  RouterNat: ["natIpAllocateOption", "minPortsPerVm"],
  SecretIamMember: ["member"],
  Service: ["service"],
  Subnetwork: ["ipCidrRange"],
  UptimeCheckConfig: ["period", "tcpCheck.port"],
};
const COMMON = ["name", "accountId", "secretId", "repositoryId", "role", "displayName", "description"];

/** A component or a resource, with its children. */
export interface Branch {
  resource: Recorded;
  children: Branch[];
}

/**
 * Puts resources below the component that created them. Resources of the program itself are at the top.
 * Sorted by type and name.
 */
export function treeOf(resources: Recorded[]): Branch[] {
  const shown = resources.filter(({ type }) => type !== ROOT);
  const known = new Set(shown.map(({ urn }) => urn));
  const below = (parent: string): Branch[] =>
    shown
      .filter((resource) => (known.has(resource.parent) ? resource.parent : "") === parent)
      .sort((a, b) => order(a).localeCompare(order(b), "en"))
      .map((resource) => ({ resource, children: below(resource.urn) }));
  return below("");
}

/** The tree as indented lines: name, type and the most important inputs. Secrets are not shown. */
export function treeLines(branches: Branch[], indent = ""): string[] {
  return branches.flatMap(({ resource, children }) => [
    `${indent}${resource.name}  ${shortType(resource.type)}${importantInputs(resource)}${resource.protect ? "  protected" : ""}`,
    ...treeLines(children, `${indent}  `),
  ]);
}

/**
 * Shortens a type: `gcp:compute/instance:Instance` to `compute Instance`, and a component's type to the name
 * of its class.
 */
export function shortType(type: string): string {
  const [provider = "", module = "", name = type] = type.split(":");
  const area = module.split("/")[0] ?? "";
  return provider === "gcp" ? `${area} ${name}` : area === "index" ? name : `${provider} ${name}`;
}

/** The inputs of a resource, with `[secret]` in the place of secret values. */
export function publicInputs({ inputs, secrets }: Recorded): Record<string, unknown> {
  const hide = (value: unknown, path: string): unknown => {
    if (secrets.includes(path)) return "[secret]";
    if (Array.isArray(value)) return value.map((item, index) => hide(item, `${path}[${index}]`));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, hide(item, path === "" ? key : `${path}.${key}`)]),
    );
  };
  return hide(inputs, "") as Record<string, unknown>;
}

/** Sorts components before resources, so that each component's children are one block. */
function order({ custom, type, name }: Recorded): string {
  return `${custom ? 1 : 0} ${custom ? type : ""} ${name}`;
}

function importantInputs(resource: Recorded): string {
  if (!resource.custom) return "";
  const inputs = publicInputs(resource);
  const kind = resource.type.split(":").at(-1) ?? "";
  const wanted = IMPORTANT[kind] ?? COMMON;
  const values = wanted.flatMap((path) => {
    const text = textOf(at(inputs, path));
    return text === "" ? [] : [`${path.split(".").at(-1)} ${text}`];
  });
  const most = IMPORTANT[kind] ? 2 : 1;
  return values.length > 0 ? `  ${values.slice(0, most).join(", ")}` : "";
}

function textOf(value: unknown): string {
  if (value === undefined || value === null || value === "") return "";
  const text = typeof value === "object" ? listed(value) : String(value);
  const line = text.split("\n")[0] ?? "";
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}

function listed(value: object): string {
  if (!Array.isArray(value)) return JSON.stringify(value);
  const items = value.map((item: unknown) => (typeof item === "object" ? allow(item) : String(item)));
  return items.join(", ");
}

/** A firewall's `{protocol, ports}` as text, for example `tcp 3004`. */
function allow(item: unknown): string {
  const { protocol, ports } = (item ?? {}) as { protocol?: string; ports?: string[] };
  return protocol ? [protocol, ...(ports ?? [])].join(" ") : JSON.stringify(item);
}
