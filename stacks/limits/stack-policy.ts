import { machineFacts } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import { type Fleet, fleetsOf } from "../preview/fleet.ts";
import { type Graph, listAt, numberAt, textAt } from "../preview/graph.ts";
import type { Policy } from "./autoscaler.ts";

/** The autoscaled gateways of a stack, as its program registered them. */
export interface StackPolicy {
  fleet: Fleet;
  policy: Policy;
  /** Most connections of a gateway. */
  maxConnections: number;
  /** Share of the VM's CPU above which a gateway refuses connections, 0 to 1. */
  cpuReject: number;
}

const DEFAULTS = { initialization: 60, stabilization: 600 }; // s; defaults of the autoscaler's API

/** Finds the autoscaled gateways of a stack. @throws WrongLimitsError for a stack without an autoscaler */
export function stackPolicy(graph: Graph, stack: string): StackPolicy {
  const fleet = fleetsOf(graph).find(({ autoscaler }) => autoscaler !== undefined);
  const autoscaling = fleet?.autoscaler?.inputs.autoscalingPolicy;
  if (!fleet || autoscaling === undefined)
    throw new WrongLimitsError(
      `stack ${stack} has no autoscaler: the number of its gateways is fixed, so there is nothing to simulate`,
    );
  const cpu = numberAt(autoscaling, "cpuUtilization.target", 0);
  const window = numberAt(autoscaling, "scaleInControl.timeWindowSec", 0);
  const setting = (name: string) => textAt(fleet.template.inputs.metadata, `odin-env-${name}`) || undefined;
  const cores = machineFacts(fleet.machineType)?.cores;
  if (cores === undefined)
    throw new WrongLimitsError(
      `stack ${stack} has machines of type ${fleet.machineType}, which is not in infra/machines/machine-types.ts: their CPU cannot be simulated, add the type`,
    );
  const limit = SETTINGS.WS_CPU_LIMIT.parse(setting("WS_CPU_LIMIT"));
  const reject = SETTINGS.WS_CPU_REJECT_THRESHOLD.parse(setting("WS_CPU_REJECT_THRESHOLD"));
  return {
    fleet,
    policy: {
      min: fleet.min,
      max: fleet.max,
      cpuTarget: cpu > 0 ? cpu : undefined,
      connectionsTarget: numberAt(listAt(autoscaling, "metrics")[0], "target", 0),
      initializationSeconds: numberAt(autoscaling, "cooldownPeriod", DEFAULTS.initialization),
      stabilizationSeconds: numberAt(autoscaling, "stabilizationPeriod", DEFAULTS.stabilization),
      scaleIn:
        window > 0
          ? {
              most: numberAt(autoscaling, "scaleInControl.maxScaledInReplicas.fixed", 1),
              windowSeconds: window,
            }
          : undefined,
    },
    maxConnections: SETTINGS.WS_MAX_CONNECTIONS.parse(setting("WS_MAX_CONNECTIONS")),
    cpuReject: (Number(limit) / cores) * (Number(reject) / 100),
  };
}

/** Options that do not fit the stack. */
export class WrongLimitsError extends Error {
  readonly mistakes: string[];
  constructor(mistake: string) {
    super(mistake);
    this.name = "WrongLimitsError";
    this.mistakes = [mistake];
  }
}
