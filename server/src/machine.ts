/** Fits the settings to the limits of the machine: open files and memory. */

import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { type Config, ConfigError } from "./config.ts";

export interface MachineLimits {
  /** Descriptors of one process; undefined where the limit is not known. */
  openFiles: number | undefined;
  /** Memory of the machine or of the container, bytes. */
  memoryBytes: number;
}

export interface Fitted {
  /** The settings, with limits that the machine can hold. */
  config: Config;
  /** Sockets that one process may have at the client port. */
  clientSockets: number;
  /** Sockets at the operations port. */
  opsSockets: number;
  /** One line for each setting that the machine cannot hold. */
  warnings: string[];
}

/**
 * Descriptors of a process beside its sockets at the two ports: about 25 at the start, the rest for NATS,
 * keys, polling, Cloud Monitoring, name resolution, and files that are read for a moment.
 */
const OWN_FILES = 48;
/** Sockets at the client port beyond the seats: clients in the handshake and clients that are refused. */
const MAX_SPARE_SOCKETS = 2000;
const MIN_SPARE_SOCKETS = 8;
const MIN_CLIENT_SOCKETS = 2 * MIN_SPARE_SOCKETS;
const MAX_OPS_SOCKETS = 256;
const MIN_OPS_SOCKETS = 8;

/**
 * Lowers WS_MAX_CONNECTIONS and WS_MEMORY_LIMIT to what the machine can hold, so that connections are refused
 * before the process ends.
 *
 * @throws ConfigError when there are too few descriptors even for the gateway itself
 */
export function fitToMachine(config: Config, { openFiles, memoryBytes }: MachineLimits): Fitted {
  const warnings: string[] = [];
  const { WS_MAX_CONNECTIONS: wanted, WS_WORKER_POOL_SIZE: workers } = config;
  const files = openFiles ?? Number.MAX_SAFE_INTEGER;
  const opsSockets = Math.min(MAX_OPS_SOCKETS, Math.max(MIN_OPS_SOCKETS, Math.floor(files / 16)));
  // The primary has a channel to each worker.
  const available = files - OWN_FILES - opsSockets - (workers > 1 ? workers : 0);
  if (available < MIN_CLIENT_SOCKETS) {
    const needed = files - available + MIN_CLIENT_SOCKETS;
    throw new ConfigError([
      `a process may have only ${files} open files, and the gateway needs at least ${needed}: raise the limit (ulimit -n)`,
    ]);
  }
  const clientSockets = Math.min(available, wanted + MAX_SPARE_SOCKETS);
  const spare = Math.min(MAX_SPARE_SOCKETS, Math.max(MIN_SPARE_SOCKETS, Math.floor(clientSockets / 6)));
  // When a worker dies, the others must be able to hold its clients.
  const holders = Math.max(1, workers - 1);
  const connections = Math.min(wanted, holders * (clientSockets - spare));
  if (connections < wanted) {
    const ofProcess = Math.ceil(wanted / holders);
    const enough = ofProcess + MAX_SPARE_SOCKETS + OWN_FILES + MAX_OPS_SOCKETS + workers;
    warnings.push(
      `WS_MAX_CONNECTIONS is ${wanted}, but a process may have only ${files} open files: the limit is ${connections} now. ${enough} open files (ulimit -n) would be enough`,
    );
  }
  const memory = Math.min(config.WS_MEMORY_LIMIT, memoryBytes);
  if (memory < config.WS_MEMORY_LIMIT) {
    warnings.push(
      `WS_MEMORY_LIMIT is ${config.WS_MEMORY_LIMIT} bytes, but there are only ${memory}: this is the limit now`,
    );
  }
  return {
    config: { ...config, WS_MAX_CONNECTIONS: connections, WS_MEMORY_LIMIT: memory },
    clientSockets,
    opsSockets,
    warnings,
  };
}

export function machineLimits(): MachineLimits {
  const total = totalmem();
  const ofContainer = process.constrainedMemory(); // 0 or a huge number without a limit
  return {
    openFiles: openFileLimit(),
    memoryBytes: ofContainer > 0 ? Math.min(total, ofContainer) : total,
  };
}

/** Node has raised the limit to its maximum at the start of the process. */
function openFileLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined; // not on Linux
  }
}
