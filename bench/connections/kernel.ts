/** Reads memory from the operating system: of the kernel, of groups of processes. Linux only. */

import { readFileSync } from "node:fs";

export interface KernelMemory {
  /** Objects of the kernel: sockets, files, entries of epoll, bytes. */
  slab: number;
  /** Buffers of all TCP sockets, bytes. */
  tcpBuffers: number;
  /** Page tables and stacks, bytes. */
  tables: number;
  /** TCP sockets that are in use. */
  sockets: number;
  /** Bytes that programs could still use. */
  available: number;
}

/** `meminfo`, `sockstat`, `sockstat6`: texts of the files in /proc. */
export function kernelMemoryOf(meminfo: string, sockstat: string, sockstat6: string): KernelMemory {
  const kilobytes = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0) * 1024;
  const tcp = /^TCP: inuse (\d+) .* mem (\d+)/m.exec(sockstat);
  const tcp6 = /^TCP6: inuse (\d+)/m.exec(sockstat6);
  return {
    slab: kilobytes("Slab"),
    tcpBuffers: Number(tcp?.[2] ?? 0) * 4096,
    tables: kilobytes("PageTables") + kilobytes("KernelStack"),
    sockets: Number(tcp?.[1] ?? 0) + Number(tcp6?.[1] ?? 0),
    available: kilobytes("MemAvailable"),
  };
}

export function readKernelMemory(): KernelMemory {
  const read = (name: string) => readFileSync(`/proc/${name}`, "utf8");
  return kernelMemoryOf(read("meminfo"), read("net/sockstat"), read("net/sockstat6"));
}

/** Memory that these processes do not share with others, and their part of what they share, bytes. */
export function proportionalBytes(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    const found = /^Pss: +(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
    total += Number(found?.[1] ?? 0) * 1024;
  }
  return total;
}
