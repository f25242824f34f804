/** What the machine must allow for this many connections, and how many processes they need. */

import { readFileSync } from "node:fs";

export interface Machine {
  /** Descriptors of one process. */
  openFiles: number;
  /** Cores. */
  cores: number;
  /** Local ports of one address. */
  ports: number;
  /** Bytes that programs can still use. */
  memoryAvailable: number;
  /** `net.core.somaxconn`. */
  acceptQueue: number;
  /** Connections that the firewall tracks now, and at most; undefined without connection tracking. */
  tracked: { now: number; max: number } | undefined;
  /** Descriptors of the whole machine. */
  allFiles: number;
}

export interface Processes {
  workers: number;
  loads: number;
}

/** Descriptors of a process beside its connections: for a gateway's process, the same as in the gateway. */
const OWN_FILES = 48;
const OPS_SOCKETS = 256;
/** Sockets for handshakes and refusals that the gateway keeps free in each process. */
const SPARE_SOCKETS = 2000;
const LOAD_FILES = 100;
/** With fewer ports, the search for a free one takes long, see addressesOf. */
const PORTS = 16_000;
/** One load process can hold more, but one core should not wait for the other. */
const MAX_VIEWERS = 18_000;
/** Both ends of a connection with everything that belongs to them, bytes. */
const BYTES_OF_CONNECTION = 32_768;
/** A process of the gateway or of the load without connections, bytes. */
const BYTES_OF_PROCESS = 130_000_000;
/** The gateway wants this many; a shorter queue makes clients wait for a second when many connect at once. */
const ACCEPT_QUEUE = 1024;

/**
 * Returns how many processes are needed. When a worker ends, the others must be able to hold its connections.
 *
 * @param workers number of workers that is wanted; undefined: as few as possible
 */
export function processesFor(connections: number, machine: Machine, workers?: number): Processes {
  const { openFiles, cores } = machine;
  const ofWorker = openFiles - OWN_FILES - OPS_SOCKETS - 64 - SPARE_SOCKETS;
  const enough = Math.ceil(connections / Math.max(1, ofWorker)) + 1;
  const ofLoad = Math.max(1, Math.min(MAX_VIEWERS, openFiles - LOAD_FILES));
  return {
    workers: workers ?? Math.max(cores, enough),
    loads: Math.max(cores, Math.ceil(connections / ofLoad)),
  };
}

/** Returns one line for each limit of the machine that is too low, with what to do. */
export function problemsOf(connections: number, machine: Machine, { workers, loads }: Processes): string[] {
  const problems: string[] = [];
  const needed = processesFor(connections, machine);
  if (workers < needed.workers && connections / Math.max(1, workers - 1) > machine.openFiles - 2500)
    problems.push(
      `${workers} workers with ${machine.openFiles} open files each cannot hold ${connections} connections when one of them ends: use --workers ${needed.workers}, or raise the limit (ulimit -n)`,
    );
  const bytes = connections * BYTES_OF_CONNECTION + (workers + 1 + loads) * BYTES_OF_PROCESS;
  if (bytes > machine.memoryAvailable)
    problems.push(
      `${connections} connections need about ${gigabytes(bytes)} of memory, and only ${gigabytes(machine.memoryAvailable)} are free: use fewer with --connections`,
    );
  const { tracked } = machine;
  if (tracked !== undefined && tracked.max - tracked.now < connections)
    problems.push(
      `the firewall tracks connections and has room for ${tracked.max - tracked.now}: sysctl -w net.netfilter.nf_conntrack_max=${tracked.now + 2 * connections}`,
    );
  if (machine.allFiles < connections * 2)
    problems.push(
      `the machine may open ${machine.allFiles} files, and both ends need ${connections * 2}: sysctl -w fs.file-max=${connections * 4}`,
    );
  if (machine.ports < PORTS)
    problems.push(
      `an address has only ${machine.ports} ports for connections: sysctl -w net.ipv4.ip_local_port_range="32768 60999"`,
    );
  if (machine.acceptQueue < ACCEPT_QUEUE)
    problems.push(
      `the kernel queues only ${machine.acceptQueue} new connections of a process: sysctl -w net.core.somaxconn=${ACCEPT_QUEUE}`,
    );
  return problems;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

const read = (path: string): string => readFileSync(path, "utf8");

/** Reads the limits of this machine. Linux only. */
export function readMachine(cores: number): Machine {
  const [, files = "0"] = /^Max open files +(\d+)/m.exec(read("/proc/self/limits")) ?? [];
  const [low = 0, high = 0] = read("/proc/sys/net/ipv4/ip_local_port_range").trim().split(/\s+/).map(Number);
  const [, available = "0"] = /^MemAvailable: +(\d+) kB/m.exec(read("/proc/meminfo")) ?? [];
  return {
    openFiles: Number(files),
    cores,
    ports: high - low + 1,
    memoryAvailable: Number(available) * 1024,
    acceptQueue: Number(read("/proc/sys/net/core/somaxconn")),
    tracked: trackedConnections(),
    allFiles: Number(read("/proc/sys/fs/file-max")),
  };
}

/** The loopback is tracked only when the firewall has rules that need tracking: then the count is not 0. */
function trackedConnections(): Machine["tracked"] {
  try {
    const now = Number(read("/proc/sys/net/netfilter/nf_conntrack_count"));
    return now === 0 ? undefined : { now, max: Number(read("/proc/sys/net/netfilter/nf_conntrack_max")) };
  } catch {
    return undefined; // the kernel has no connection tracking
  }
}
