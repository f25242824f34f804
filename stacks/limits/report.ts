import { monthly } from "@odin-ws/infra";
import type { Fleet } from "../preview/fleet.ts";
import { listAt, numberAt, textAt } from "../preview/graph.ts";
import type { Answer } from "./answer.ts";
import type { Policy } from "./autoscaler.ts";
import { DELAYS, holds } from "./simulator.ts";

/**
 * The text that `npm run limits` prints.
 *
 * @param own the stack's policy, without the changes of the command line
 */
export function report(stack: string, fleet: Fleet, own: Policy, given: Answer): string {
  const { scenario } = given;
  const { policy } = scenario;
  const whatIf =
    policy.min !== own.min || policy.max !== own.max || policy.connectionsTarget !== own.connectionsTarget;
  return [
    `Stack ${stack}: ${policy.min} to ${policy.max} gateways${whatIf ? " (what if)" : ""}, ${count(policy.connectionsTarget)} connections each are the target, ${count(holds(scenario.gateway))} the limit`,
    `Demand: ${count(given.peak)} clients at most`,
    "",
    verdict(given),
    ...timing(given),
    ...costs(fleet, own, given),
    "",
    ...commands(stack, own, given),
    "Assumed",
    ...assumptions(given).map((line) => `  ${line}`),
  ].join("\n");
}

function verdict({ needed, leastPossible, peak, scenario: { policy, gateway } }: Answer): string {
  const want = `${needed} ${needed === 1 ? "gateway keeps" : "gateways keep"} these clients at the targets, and ${leastPossible} can just hold them`;
  if (needed <= policy.max) return `${want}: the maximum of ${policy.max} suffices.`;
  if (leastPossible <= policy.max)
    return `${want}: the maximum of ${policy.max} holds them without headroom, and none may fail.`;
  const refused = peak - policy.max * holds(gateway);
  return `${want}: the maximum of ${policy.max} does NOT suffice, ${count(refused)} clients are refused.`;
}

function timing({ readyMinute, needed, refused, reconnects, scenario: { policy } }: Answer): string[] {
  const size = Math.min(needed, policy.max);
  return [
    readyMinute === undefined
      ? `The autoscaler never has ${size} gateways in service.`
      : `The autoscaler has ${size} gateways in service in minute ${readyMinute}.`,
    refused.most === 0
      ? "Nobody is refused."
      : `Refused from minute ${refused.from} to ${refused.to}: up to ${count(refused.most)} clients at once, ${count(refused.clientMinutes)} client-minutes in all. Refused clients try again.`,
    `Scaling in afterwards makes at most ${count(reconnects)} clients reconnect.`,
  ];
}

function costs(fleet: Fleet, own: Policy, { needed }: Answer): string[] {
  const boot = listAt(fleet.template.inputs, "disks")[0];
  const cost = (gateways: number) => {
    const vms = monthly.vms(fleet.machineType, gateways).usd;
    const disks = monthly.disks(
      textAt(boot, "diskType") || "pd-standard",
      numberAt(boot, "diskSizeGb", 10),
      gateways,
    ).usd;
    const nat = monthly.nat(Math.min(gateways, 32), 0).usd;
    if (vms === undefined || disks === undefined || nat === undefined) return "no price";
    return `$${(vms + disks + nat).toFixed(2)}`;
  };
  const label = (gateways: number) =>
    `${gateways} ${gateways === 1 ? "gateway" : "gateways"} ${cost(gateways)}`;
  const sizes = [...new Set([own.min, own.max, needed])].sort((a, b) => a - b);
  const names = new Map([
    [needed, "for this demand, all month"],
    [own.max, "the maximum now"],
    [own.min, "the minimum now"],
  ]);
  return [
    `A month (VMs, disks and their share of the NAT; list prices of us-central1): ${sizes.map((size) => `${label(size)} (${names.get(size)})`).join(", ")}`,
  ];
}

function commands(stack: string, own: Policy, { remedy, needed }: Answer): string[] {
  if (!remedy) return ["Nothing to change.", ""];
  const type = (settings: Record<string, number>) => {
    const changed = Object.entries(settings).filter(([key, value]) => value !== own[OWN[key] ?? "max"]);
    const sets = changed.map(([key, value]) => `pulumi config set ${key} ${value} --stack ${stack}`);
    return [...sets, `pulumi up --stack ${stack}`].map((line) => `  ${line}`).join("\n");
  };
  const { max, ahead, earlier } = remedy;
  if (max !== undefined) return ["To type", type({ maxInstances: max }), ""];
  if (!ahead && !earlier)
    return [
      "No setting prevents refused clients, because too many come at the very beginning. The best settings:",
      type({ maxInstances: Math.max(own.max, needed), minInstances: Math.max(own.max, needed) }),
      "",
    ];
  const first = ahead && [
    `The demand comes faster than the autoscaler adds gateways. To type before the demand comes (and after it, minInstances ${own.min})`,
    type({ maxInstances: ahead.max, minInstances: ahead.min }),
  ];
  const second = earlier && [
    `${first ? "Or, to be ready for" : "The demand comes faster than the autoscaler adds gateways. To type, to be ready for"} every demand like this (gateways are added earlier, and each has fewer clients)`,
    type({ maxInstances: earlier.max, connectionsTarget: earlier.connectionsTarget }),
  ];
  return [...(first ?? []), ...(second ?? []), ""];
}

/** Names of the settings in the policy. */
const OWN: Record<string, "min" | "max" | "connectionsTarget"> = {
  minInstances: "min",
  maxInstances: "max",
  connectionsTarget: "connectionsTarget",
};

function assumptions({ scenario: { delays, gateway, policy } }: Answer): string[] {
  const window = policy.scaleIn
    ? `, at most ${policy.scaleIn.most} in ${policy.scaleIn.windowSeconds / 60} min`
    : "";
  return [
    `a gateway serves ${delays.boot} s after the decision${delays.boot === DELAYS.boot ? " (measure it: --boot-seconds)" : ""}; the autoscaler sees metrics ${delays.metric} s late, as the average of ${delays.average} s`,
    `the autoscaler waits ${policy.stabilizationSeconds / 60} min before it removes a gateway${window}`,
    "connections stay where they are; new ones spread evenly over the gateways that have room (not so for many clients behind one address)",
    gateway.cpuWhenFull === undefined
      ? "CPU is ignored: give the CPU of a full gateway with --cpu"
      : `CPU follows connections, ${Math.round(gateway.cpuWhenFull * 100)} % at ${count(gateway.maxConnections)}`,
    "the fullest gateway is removed first, which is the worst case: Google does not document the choice",
  ];
}

const count = (number: number) => number.toLocaleString("en-US");
