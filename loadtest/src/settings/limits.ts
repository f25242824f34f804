/** Reads the limits of this machine and checks that the load does not exceed them. */

import { readFileSync } from "node:fs";
import type { Options } from "./options.ts";

export interface Limits {
  /** Open files of one process. */
  openFiles: number;
  /** How many local ports one address has for connections to one gateway. */
  ports: number;
}

/** Files that a worker has open in addition to its connections. */
const OTHER_FILES = 100;
const DEFAULT_PORTS = 16_384; // on systems other than Linux: 49152 to 65535

export function machineLimits(): Limits {
  const { report } = process;
  // Without this setting, the report would look up the host name of each peer address.
  Object.assign(report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft: number | string } } };
  const soft = Number(userLimits?.open_files?.soft);
  let ports = DEFAULT_PORTS;
  try {
    const [first = 0, last = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    ports = last - first + 1;
  } catch {} // not Linux
  return { openFiles: Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft, ports };
}

/** Returns one line for each limit that the load would exceed. */
export function exceededLimits(
  { connections, workers, sources, urls }: Options,
  { openFiles, ports }: Limits,
): string[] {
  const problems: string[] = [];
  const each = Math.ceil(connections / workers);
  if (each > openFiles - OTHER_FILES)
    problems.push(
      `--connections: ${each} connections in each of ${workers} processes exceed the limit of ${openFiles} open files: raise the limit (ulimit -n), or use more --workers`,
    );
  const pairs = Math.max(1, sources.length) * new Set(urls).size;
  if (connections > pairs * ports)
    problems.push(
      `--connections: ${Math.max(1, sources.length)} local address(es) have only ${pairs * ports} ports: raise net.ipv4.ip_local_port_range, or give more --source-addresses`,
    );
  return problems;
}
