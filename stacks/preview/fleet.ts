import type { Recorded } from "@odin-ws/infra";
import { at, type Graph, listAt, numberAt, textAt } from "./graph.ts";

/** A managed instance group with the template of its VMs and its limits. */
export interface Fleet {
  group: Recorded;
  template: Recorded;
  autoscaler: Recorded | undefined;
  /** Fewest VMs. */
  min: number;
  /** Most VMs; without an autoscaler equal to `min`. */
  max: number;
  machineType: string;
  zones: string[];
  spot: boolean;
}

const GROUPS = ["gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager"] as const;
const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";
const AUTOSCALER = "gcp:compute/regionAutoscaler:RegionAutoscaler";

/** The instance groups of a stack, without a group that is empty except during an update. */
export function fleetsOf(graph: Graph): Fleet[] {
  return graph.all(...GROUPS).flatMap((group) => {
    const [template] = graph.upstream(group, TEMPLATE);
    if (!template) return [];
    const [autoscaler] = graph.downstream(group, AUTOSCALER);
    const fixed = numberAt(group.inputs, "targetSize", 0);
    if (at(group.inputs, "targetSize") === 0) return [];
    // A region that is being removed is empty.
    if (textAt(autoscaler?.inputs, "autoscalingPolicy.mode") === "OFF") return [];
    return {
      group,
      template,
      autoscaler,
      min: numberAt(autoscaler?.inputs, "autoscalingPolicy.minReplicas", fixed),
      max: numberAt(autoscaler?.inputs, "autoscalingPolicy.maxReplicas", fixed),
      machineType: textAt(template.inputs, "machineType"),
      zones: listAt(group.inputs, "distributionPolicyZones").map(String),
      spot: isSpot(template.inputs),
    };
  });
}

/** Whether the inputs of an instance or of a template ask for spot VMs. */
export function isSpot(inputs: unknown): boolean {
  return (
    textAt(inputs, "scheduling.provisioningModel") === "SPOT" || at(inputs, "scheduling.preemptible") === true
  );
}
