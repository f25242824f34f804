/** The users whose traffic a preview counts. */

import type { Mix } from "../traffic/traffic.ts";
import { fleetsOf } from "./fleet.ts";
import { type Graph, listAt, numberAt, textAt } from "./graph.ts";

export interface Users {
  /** With the fewest and with the most VMs. */
  least: number;
  most: number;
}

/**
 * The connections for which the autoscalers of all regions keep the fewest and the most gateways; undefined
 * for a stack without an autoscaler.
 */
export function usersOf(graph: Graph): Users | undefined {
  let users: Users | undefined;
  for (const { autoscaler, min, max } of fleetsOf(graph)) {
    const metrics = listAt(autoscaler?.inputs, "autoscalingPolicy.metrics");
    const target = numberAt(metrics[0], "target", 0);
    if (target === 0) continue;
    users = { least: (users?.least ?? 0) + min * target, most: (users?.most ?? 0) + max * target };
  }
  return users;
}

/** Browsers offer compression themselves, so all users have it unless the gateways do not. */
export function defaultMix(graph: Graph): Mix {
  const off = fleetsOf(graph).some(
    ({ template }) => textAt(template.inputs.metadata, "odin-env-WS_COMPRESSION") === "false",
  );
  return off ? { plain: 100 } : { compressed: 100 };
}
