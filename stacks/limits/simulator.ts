import { createAutoscaler, type Policy } from "./autoscaler.ts";
import { type Curve, demandAt } from "./curve.ts";

/** What a gateway can take and how it behaves. */
export interface Gateway {
  /** It refuses connections beyond (`WS_MAX_CONNECTIONS`). */
  maxConnections: number;
  /** CPU of a full gateway, 0 to 1; CPU follows connections in proportion. Undefined: CPU is not simulated. */
  cpuWhenFull: number | undefined;
  /** CPU above which it refuses too, 0 to 1 (`WS_CPU_REJECT_THRESHOLD` percent of `WS_CPU_LIMIT`). */
  cpuReject: number;
}

/** How slow the world is, in seconds. */
export interface Delays {
  /** From the decision to a gateway that the load balancer uses. */
  boot: number;
  /** From a metric's point to the autoscaler's look at it. */
  metric: number;
  /** The autoscaler looks at the average of so long. */
  average: number;
}

/** A minute and a half to boot is an assumption; the average is documented as "the last couple of minutes". */
export const DELAYS: Delays = { boot: 90, metric: 60, average: 120 };

/** Seconds between two moments of a simulation. */
export const STEP = 10;

export interface Scenario {
  policy: Policy;
  gateway: Gateway;
  delays: Delays;
  curve: Curve;
  /** How long after the curve's end its last value stays, in seconds. */
  tail: number;
}

/** One moment of a simulation. */
export interface Moment {
  /** Seconds since the beginning. */
  at: number;
  /** Clients that want to be connected. */
  demand: number;
  connected: number;
  /** Clients that no gateway takes: demand without the connected ones. They try again. */
  refused: number;
  /** Gateways that take connections, and those that the group has, with the ones that boot. */
  serving: number;
  size: number;
  /** Connections of each serving gateway, oldest first. Numbers are never used again. */
  loads: { gateway: number; connections: number }[];
  /** Clients whose gateway was taken away at this moment: they connect again. */
  reconnects: number;
}

interface Vm {
  gateway: number;
  started: number;
  connections: number;
  /** Connections at the end of each step, newest last. */
  history: number[];
}

/**
 * Plays a demand against a group of gateways and its autoscaler. Connections stay where they are: new gateways get new connections
 * only, spread evenly over all that have room. When gateways are taken away, those that still boot go first, then the fullest one,
 * which is the worst case: Google does not say which. Nothing is random.
 */
export function simulate({ policy, gateway, delays, curve, tail }: Scenario): Moment[] {
  const autoscaler = createAutoscaler(policy);
  let count = 0;
  const start = (at: number): Vm => ({ gateway: ++count, started: at, connections: 0, history: [] });
  const before = -Math.max(delays.boot, policy.initializationSeconds); // those at the beginning are up and warm
  let vms = Array.from({ length: policy.min }, () => start(before));
  const moments: Moment[] = [];
  const room = holds(gateway);
  const end = (curve.at(-1)?.at ?? 0) + tail;
  for (let at = 0; at <= end; at += STEP) {
    const wanted = autoscaler.decide(
      at,
      vms.length,
      vms.filter((vm) => isServing(vm, at, delays)).map((vm) => seen(vm, at, delays, gateway)),
    );
    const { kept, reconnects } = shrink(vms, wanted, at, delays);
    vms = [...kept, ...Array.from({ length: Math.max(0, wanted - kept.length) }, () => start(at))];
    const serving = vms.filter((vm) => isServing(vm, at, delays));
    const demand = Math.round(demandAt(curve, at));
    const connected = sum(serving);
    if (demand < connected) leave(serving, connected - demand);
    else join(serving, demand - connected, room);
    for (const vm of vms) vm.history.push(vm.connections);
    moments.push({
      ...{ at, demand, connected: sum(serving), refused: demand - sum(serving) },
      ...{ serving: serving.length, size: vms.length, reconnects },
      loads: serving.map(({ gateway, connections }) => ({ gateway, connections })),
    });
  }
  return moments;
}

/** Connections that a gateway takes before it refuses: its limit, or fewer when its CPU gets there first. */
export function holds({ maxConnections, cpuWhenFull = 0, cpuReject }: Gateway): number {
  return cpuWhenFull > cpuReject ? Math.floor((maxConnections * cpuReject) / cpuWhenFull) : maxConnections;
}

const sum = (vms: Vm[]) => vms.reduce((total, { connections }) => total + connections, 0);
const isServing = ({ started }: Vm, at: number, { boot }: Delays) => at - started >= boot;

/** A VM as the metrics show it: the average of some time, some time ago. */
function seen(vm: Vm, at: number, { metric, average }: Delays, { maxConnections, cpuWhenFull = 0 }: Gateway) {
  const last = vm.history.length - Math.round(metric / STEP);
  const points = vm.history.slice(Math.max(0, last - Math.round(average / STEP)), Math.max(0, last));
  const connections =
    points.length === 0 ? 0 : points.reduce((total, point) => total + point, 0) / points.length;
  return { age: at - vm.started, connections, cpu: (connections / maxConnections) * cpuWhenFull };
}

function shrink(vms: Vm[], wanted: number, at: number, delays: Delays): { kept: Vm[]; reconnects: number } {
  const booting = vms.filter((vm) => !isServing(vm, at, delays)).reverse();
  const fullest = vms.filter((vm) => isServing(vm, at, delays)).sort((a, b) => b.connections - a.connections);
  const removed = new Set([...booting, ...fullest].slice(0, Math.max(0, vms.length - wanted)));
  return { kept: vms.filter((vm) => !removed.has(vm)), reconnects: sum([...removed]) };
}

/** Each gateway loses its share. */
function leave(vms: Vm[], count: number): void {
  const total = sum(vms);
  let left = count;
  for (const vm of vms) {
    const share = Math.min(vm.connections, Math.floor((vm.connections / total) * count));
    vm.connections -= share;
    left -= share;
  }
  for (const vm of vms) {
    const rest = Math.min(vm.connections, left);
    vm.connections -= rest;
    left -= rest;
  }
}

/** Spreads new connections evenly over the gateways that have room, until nobody waits or nobody has room. */
function join(vms: Vm[], count: number, most: number): void {
  let left = count;
  let open = vms.filter(({ connections }) => connections < most);
  while (left > 0 && open.length > 0) {
    const share = Math.max(1, Math.floor(left / open.length));
    for (const vm of open) {
      const taken = Math.min(share, most - vm.connections, left);
      vm.connections += taken;
      left -= taken;
    }
    open = open.filter(({ connections }) => connections < most);
  }
}
