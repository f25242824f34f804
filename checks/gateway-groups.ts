import type { ComputeApi } from "./compute-api.ts";

/** A managed instance group of gateways. */
export interface GatewayGroup {
  /** `projects/P/regions/R/instanceGroupManagers/NAME`. */
  path: string;
  /** Number of gateways that the group should have. */
  size: number;
  /** URLs of the templates that its gateways run; two of them while a rollout is in progress. */
  templates: string[];
}

/** A gateway's VM, as its group sees it. */
export interface GatewayVm {
  name: string;
  zone: string;
  /** Whether the VM runs, its group changes nothing on it, and it was made from the group's template. */
  settled: boolean;
}

interface GroupReply {
  name?: string;
  targetSize?: number;
  versions?: { instanceTemplate?: string }[];
}

/** The groups of a region whose VMs have names that begin with `base`. */
export async function groupsOf(api: ComputeApi, region: string, base: string): Promise<GatewayGroup[]> {
  const filter = encodeURIComponent(`baseInstanceName = "${base}"`);
  const { items = [] } = (await api("GET", `${region}/instanceGroupManagers?filter=${filter}`)) as {
    items?: GroupReply[];
  };
  return items.map((group) => ({
    path: `${region}/instanceGroupManagers/${group.name}`,
    size: group.targetSize ?? 0,
    templates: (group.versions ?? []).map(({ instanceTemplate = "" }) => instanceTemplate),
  }));
}

/** The VMs of a group, also those that are being created or deleted. */
export async function vmsOf(api: ComputeApi, group: string, template?: string): Promise<GatewayVm[]> {
  const { managedInstances = [] } = (await api("POST", `${group}/listManagedInstances`)) as {
    managedInstances?: {
      instance?: string;
      instanceStatus?: string;
      currentAction?: string;
      version?: { instanceTemplate?: string };
    }[];
  };
  return managedInstances.map(({ instance = "", instanceStatus, currentAction, version }) => ({
    name: lastPart(instance),
    zone: /\/zones\/([^/]+)\//.exec(instance)?.[1] ?? "",
    settled:
      instanceStatus === "RUNNING" &&
      currentAction === "NONE" &&
      (template === undefined || lastPart(version?.instanceTemplate ?? "") === lastPart(template)),
  }));
}

/** Sets the number of VMs of a group. The group creates or deletes the VMs later. */
export async function resize(api: ComputeApi, group: string, size: number): Promise<void> {
  await api("POST", `${group}/resize?size=${size}`);
}

/** The name at the end of a URL, without the query that makes the link of a template unique. */
export function lastPart(url: string): string {
  return url.replace(/\?.*$/, "").split("/").at(-1) ?? url;
}
