/** Arithmetic of the figures: what one connection takes, and how late messages and clients are. */

import type { Usage } from "./gateway-fleet.ts";
import type { KernelMemory } from "./kernel.ts";

/** What the machine uses at one moment. */
export interface Reading {
  connections: number;
  gateway: Usage;
  kernel: KernelMemory;
  /** Resident memory of the load processes, bytes. */
  loadRss: number;
}

/** Bytes for each connection, above those of the empty processes. */
export interface BytesEach {
  /** Memory of the gateway's processes. */
  gateway: number;
  /** Memory of the kernel for both ends of the connection, because both ends are on this machine. */
  kernel: number;
  /** Memory of the load processes. */
  load: number;
  /** What the machine has less of, for all of these together. */
  machine: number;
}

export function bytesEach(empty: Reading, now: Reading): BytesEach {
  const more = now.connections - empty.connections;
  if (more <= 0)
    throw new Error(`there are ${now.connections} connections, not more than ${empty.connections}`);
  const kernelOf = ({ kernel: { slab, tcpBuffers, tables } }: Reading) => slab + tcpBuffers + tables;
  return {
    gateway: (now.gateway.pss - empty.gateway.pss) / more,
    kernel: (kernelOf(now) - kernelOf(empty)) / more,
    load: (now.loadRss - empty.loadRss) / more,
    machine: (empty.kernel.available - now.kernel.available) / more,
  };
}

/** CPU time of the gateway for each connection and second, above that of the empty gateway, µs. */
export function idleMicros(options: {
  cpuMicros: number;
  seconds: number;
  connections: number;
  /** CPU time of the empty gateway in a second, µs. */
  emptyPerSecond: number;
}): number {
  const { cpuMicros, seconds, connections, emptyPerSecond } = options;
  return (cpuMicros / seconds - emptyPerSecond) / connections;
}

export interface Spread {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

/** Zeros without values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
