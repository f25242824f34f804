/** Settings and limits of a gateway that follow from its machine type. */

import { machineFacts } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Memory that the gateway's start-up script reserves for the system, Docker and the log shipper. */
export const RESERVED_BYTES = 640 * MIB;
/** The log shipper's share of the CPU; the start-up script limits it. */
const SHIPPER_CORES = 0.1;

/**
 * A VM shows less memory than its machine type has: the kernel's tables grow with the memory (the part), and
 * the kernel's code and the firmware do not (the bytes).
 */
const SHOWN = { part: 0.98, lessBytes: 128 * MIB };

/** Connections for each core. On an e2-standard-2 this is the gateway's default. */
const CONNECTIONS_PER_CORE = 5000;
/**
 * Memory of one connection after compressed traffic, with the buffers of its socket. See docs/performance.md.
 */
const CONNECTION_BYTES = 16_384;
/** Memory of one process without connections, history and last values. */
const PROCESS_BYTES = 118 * MIB;
/** Above this share of WS_MEMORY_LIMIT a gateway refuses connections. */
const MEMORY_FULL = 0.9;
/** Part of WS_MAX_CONNECTIONS above which the autoscaler adds a gateway, when `connectionsTarget` is 0. */
const TARGET_PART = 0.8;

/** The settings that follow from the machine type. */
export const SIZE_SETTINGS = ["WS_CPU_LIMIT", "WS_MEMORY_LIMIT", "WS_MAX_CONNECTIONS"] as const;
export type SizeSettings = Partial<Record<(typeof SIZE_SETTINGS)[number], string>>;

/** Fewest bytes that a machine has for the gateway; undefined for an unknown machine type. */
export function gatewayMemory(machineType: string): number | undefined {
  const facts = machineFacts(machineType);
  if (facts === undefined) return undefined;
  return Math.floor(facts.memoryBytes * SHOWN.part) - SHOWN.lessBytes - RESERVED_BYTES;
}

/**
 * Settings in which a machine type differs from the gateway's defaults, which are those of an e2-standard-2;
 * empty for an unknown type. Monitoring has to know the limits, too: otherwise an alert would wait for a
 * value that no gateway can reach. So the stack sets them, and not the start-up script.
 */
export function sizeSettings(machineType: string): SizeSettings {
  const facts = machineFacts(machineType);
  const memory = gatewayMemory(machineType);
  if (facts === undefined || memory === undefined) return {};
  const { cores } = facts;
  const values = {
    WS_CPU_LIMIT: cores >= 1.5 ? round(cores - SHIPPER_CORES) : round(cores * 0.9),
    // Whole GiB on larger machines, because their kernels show a little more or less memory than computed.
    WS_MEMORY_LIMIT: memory >= 7 * GIB ? Math.floor(memory / GIB) * GIB : memory,
    WS_MAX_CONNECTIONS: CONNECTIONS_PER_CORE * cores,
  };
  return Object.fromEntries(
    SIZE_SETTINGS.filter((name) => values[name] !== SETTINGS[name].parse(undefined)).map((name) => [
      name,
      String(values[name]),
    ]),
  );
}

/**
 * The gateway's settings with those that follow from the machine type, and the defaults of the latter. Not
 * checked.
 */
export function effectiveSettings(
  machineType = "",
  gateway: Record<string, string> = {},
): Record<string, string> {
  const defaults = SIZE_SETTINGS.map((name) => [name, String(SETTINGS[name].parse(undefined))]);
  return { ...Object.fromEntries(defaults), ...sizeSettings(machineType), ...gateway };
}

/** Value of `connectionsTarget` when it is 0. */
export function defaultTarget(maxConnections: number): number {
  return Math.floor(maxConnections * TARGET_PART);
}

/** Memory that a full gateway needs, bytes. `history`: bytes of the history that each process keeps. */
export function memoryOfFull(connections: number, processes: number, history: number): number {
  // The primary process has the history, too. Last values have the same limit as the history.
  return connections * CONNECTION_BYTES + (processes + 1) * (PROCESS_BYTES + 2 * history);
}

/** Largest number of connections for which the memory suffices; see memoryOfFull. */
export function connectionsIn(memoryLimit: number, processes: number, history: number): number {
  const left = memoryLimit * MEMORY_FULL - memoryOfFull(0, processes, history);
  return Math.max(0, Math.floor(left / CONNECTION_BYTES));
}

const round = (value: number): number => Number(value.toFixed(3));
