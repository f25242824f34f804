import type { GoogleApi } from "./compute-api.ts";

// Errors of the 5 min before a wait count, too: the update began before the wait, and clocks may differ.
const OLDER_MS = 300_000;

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
export async function groupsOf(api: GoogleApi, region: string, base: string): Promise<GatewayGroup[]> {
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
export async function vmsOf(api: GoogleApi, group: string, template?: string): Promise<GatewayVm[]> {
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
export async function resize(api: GoogleApi, group: string, size: number): Promise<void> {
  await api("POST", `${group}/resize?size=${size}`);
}

/**
 * The newest error of a group as the end of a line, because a group without machines or quota only retries;
 * empty without an error. The group keeps errors for hours: those more than 5 min before `since` (ms since
 * 1970) belong to an earlier change of the group.
 */
export async function lastError(api: GoogleApi, group: string, since: number): Promise<string> {
  try {
    const { items = [] } = (await api("GET", `${group}/listErrors?maxResults=20`)) as {
      items?: { timestamp?: string; error?: { code?: string; message?: string } }[];
    };
    const dated = items.map(({ timestamp = "", error }) => ({ at: Date.parse(timestamp), error }));
    const recent = dated.filter(({ at }) => at >= since - OLDER_MS);
    const [newest] = recent.sort((one, other) => other.at - one.at);
    return newest ? `; last error: ${newest.error?.code}: ${newest.error?.message}` : "";
  } catch {
    return ""; // the errors only help a reader
  }
}

/** The name at the end of a URL, without the query that makes the link of a template unique. */
export function lastPart(url: string): string {
  return url.replace(/\?.*$/, "").split("/").at(-1) ?? url;
}
