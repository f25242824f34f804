import type { Recorded } from "@odin-ws/infra";
import { fleetsOf, isSpot } from "./fleet.ts";
import { at, type Graph, listAt, textAt } from "./graph.ts";
import { regionOf } from "./regions.ts";

/** VMs of one role and one service account: an instance group, or single VMs of the same type. */
export interface Machines {
  /** For example `gateway`. */
  role: string;
  account: string;
  /** For example `2 to 5` or `3`. */
  count: string;
  machineType: string;
  zones: string[];
  spot: boolean;
  /** Data disks, for example `20 GiB`; empty without one. */
  disks: string;
  /** For example `europe-west1`. */
  region: string;
  /** Metadata of one of the VMs. */
  metadata: Record<string, unknown>;
  /** The instance group; undefined for single VMs. */
  group: Recorded | undefined;
  /** Whether an autoscaler sets the size of the group. */
  autoscaled: boolean;
  /** Path of the autohealing check; "" without autohealing. */
  healedOn: string;
}

const INSTANCE = "gcp:compute/instance:Instance";
const CHECKS = ["gcp:compute/healthCheck:HealthCheck", "gcp:compute/regionHealthCheck:RegionHealthCheck"];
const DISK = "gcp:compute/disk:Disk";

/**
 * Path of the check by which a group heals its VMs. The group of a further region also depends on the checks
 * of other regions, because it waits for their tests.
 */
function healedOn(graph: Graph, { inputs }: Recorded): string {
  const id = textAt(inputs, "autoHealingPolicies.healthCheck");
  const check = graph.all(...CHECKS).find((found) => id.endsWith(`/${textAt(found.inputs, "name")}`));
  return check === undefined ? "" : textAt(check.inputs, "httpHealthCheck.requestPath");
}

/** Every VM of a stack, by role. */
export function machinesOf(graph: Graph): Machines[] {
  const groups = fleetsOf(graph).map(
    ({ group, template, autoscaler, min, max, machineType, zones, spot }) => ({
      ...common(template),
      role: roleOf(template),
      count: min === max ? String(min) : `${min} to ${max}`,
      machineType,
      zones,
      spot,
      disks: "",
      region: regionOf(group),
      group,
      autoscaled: autoscaler !== undefined,
      healedOn: healedOn(graph, group),
    }),
  );
  const singles = Map.groupBy(graph.all(INSTANCE), (vm) =>
    [roleOf(vm), common(vm).account, textAt(vm.inputs, "machineType"), regionOf(vm)].join(" "),
  );
  const alike = [...singles.values()].flatMap((vms) => {
    const [first] = vms;
    if (!first) return [];
    const disks = graph.upstream(first, DISK).filter(({ name }) => name.startsWith(first.name));
    return {
      ...common(first),
      role: roleOf(first),
      count: String(vms.length),
      machineType: textAt(first.inputs, "machineType"),
      zones: vms.map(({ inputs }) => textAt(inputs, "zone")),
      spot: isSpot(first.inputs),
      disks: disks.map(({ inputs }) => `${textAt(inputs, "size")} GiB`).join(", "),
      region: regionOf(first),
      group: undefined,
      autoscaled: false,
      healedOn: "",
    };
  });
  return [...groups, ...alike];
}

function common({ inputs }: Recorded) {
  const single = textAt(inputs, "serviceAccount.email");
  const listed = textAt(listAt(inputs, "serviceAccounts")[0], "email");
  return {
    account: single || listed,
    metadata: (at(inputs, "metadata") ?? {}) as Record<string, unknown>,
  };
}

function roleOf({ inputs, name }: Recorded): string {
  return textAt(at(inputs, "metadata"), "odin-role") || textAt(inputs, "labels.role") || name;
}
