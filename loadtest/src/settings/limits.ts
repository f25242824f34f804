/** What this machine allows, and whether the load fits in. */

import { readFileSync } from "node:fs";
import type { Options } from "./options.ts";

export interface Limits {
  /** Open files of one process. */
  openFiles: number;
  /** Ports that connections from one local address to one gateway can have. */
  ports: number;
}

/** Files that a worker has open beside its connections. */
const OWN_FILES = 100;
const PORTS_ELSEWHERE = 16_384; // the range of other systems than Linux: 49152 to 65535

export function limitsHere(): Limits {
  const { report } = process;
  // Else it asks for the name of each address that it finds.
  Object.assign(report, { excludeNetwork: true });
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft: number | string } } };
  const soft = Number(userLimits?.open_files?.soft);
  let ports = PORTS_ELSEWHERE;
  try {
    const [first = 0, last = 0] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    ports = last - first + 1;
  } catch {}
  return { openFiles: Number.isNaN(soft) ? Number.POSITIVE_INFINITY : soft, ports };
}

/** One line per limit that the load would hit. */
export function beyondLimits(
  { connections, workers, sources, urls }: Options,
  { openFiles, ports }: Limits,
): string[] {
  const problems: string[] = [];
  const each = Math.ceil(connections / workers);
  if (each > openFiles - OWN_FILES)
    problems.push(
      `--connections: ${each} in each of ${workers} processes, but one may have ${openFiles} files open: raise it (ulimit -n), or take more --workers`,
    );
  const pairs = Math.max(1, sources.length) * new Set(urls).size;
  if (connections > pairs * ports)
    problems.push(
      `--connections: from ${Math.max(1, sources.length)} local address(es) there are ${pairs * ports} ports: raise net.ipv4.ip_local_port_range, or give more --source-addresses`,
    );
  return problems;
}
