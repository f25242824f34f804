import { createAutoscaler, type Policy } from "./autoscaler.ts";
import { type Curve, demandAt } from "./curve.ts";

/** Limits of a gateway. */
export interface Gateway {
  /** Most connections, `WS_MAX_CONNECTIONS`. */
  maxConnections: number;
  /**
   * CPU of a full gateway, 0 to 1; CPU follows connections in proportion. Undefined: CPU is not simulated.
   */
  cpuWhenFull: number | undefined;
  /**
   * CPU above which the gateway refuses connections, too, 0 to 1 (`WS_CPU_REJECT_THRESHOLD` percent of
   * `WS_CPU_LIMIT`).
   */
  cpuReject: number;
}

/** Delays of Google Cloud and of a gateway's start, in seconds. */
export interface Delays {
  /** From the autoscaler's decision until the load balancer uses the new gateway. */
  boot: number;
  /** From the time of a metric's point until the autoscaler sees the point. */
  metric: number;
  /** Time over which the autoscaler averages a metric. */
  average: number;
}

/** The 90 s to boot are an assumption. The average is documented as "the last couple of minutes". */
export const DELAYS: Delays = { boot: 90, metric: 60, average: 120 };

/** Seconds between two moments of a simulation. */
export const STEP = 10;

/** Everything that a simulation depends on. */
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
  /** Clients that no gateway accepts: the demand minus the connected clients. Refused clients try again. */
  refused: number;
  /** Gateways that accept connections. */
  serving: number;
  /** Gateways of the group, including those that boot. */
  size: number;
  /**
   * Connections of each serving gateway, oldest first. A gateway's number is never used for another gateway.
   */
  loads: { gateway: number; connections: number }[];
  /** Clients whose gateway was removed at this moment, and who connect again. */
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
 * Simulates a demand on a group of gateways with its autoscaler. Connections stay where they are: only new
 * connections reach new gateways, and they are spread evenly over all gateways that have room. Gateways that
 * still boot are removed first, and then the fullest ones, which is the worst case: Google does not document
 * the choice. Nothing is random.
 */
export function simulate({ policy, gateway, delays, curve, tail }: Scenario): Moment[] {
  const autoscaler = createAutoscaler(policy);
  let count = 0;
  const start = (at: number): Vm => ({ gateway: ++count, started: at, connections: 0, history: [] });
  // The first gateways have booted long before the simulation begins.
  const before = -Math.max(delays.boot, policy.initializationSeconds);
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

/** Most connections that a gateway accepts: its limit, or fewer when its CPU reaches the threshold first. */
export function holds({ maxConnections, cpuWhenFull = 0, cpuReject }: Gateway): number {
  return cpuWhenFull > cpuReject ? Math.floor((maxConnections * cpuReject) / cpuWhenFull) : maxConnections;
}

const sum = (vms: Vm[]) => vms.reduce((total, { connections }) => total + connections, 0);
const isServing = ({ started }: Vm, at: number, { boot }: Delays) => at - started >= boot;

/** Usage of a VM as the autoscaler sees it: an average that is some time old. */
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

/** Disconnects clients: each gateway loses a share in proportion to its connections. */
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

/**
 * Spreads new connections evenly over the gateways that have room, until all are connected or every gateway
 * is full.
 */
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
