/** Contradictions between the machine type and the settings of the gateway. */

import { machineFacts } from "@odin-ws/infra";
import { SETTINGS } from "@odin-ws/server/settings";
import {
  connectionsIn,
  effectiveSettings,
  gatewayMemory,
  memoryOfFull,
  RESERVED_BYTES,
  SIZE_SETTINGS,
} from "./gateway-size.ts";
import type { Values } from "./keys.ts";
import type { Mistake } from "./values.ts";

/** Open files of the gateway's container, see NOFILE of infra/startup/lib.sh. */
const OPEN_FILES = 200_000;
/** Files of a process that are not seats: its own, clients in the handshake, the operations port, workers. */
const OTHER_FILES = 2400;
const MIB = 2 ** 20;

/**
 * Returns settings that do not fit the machine type. The operating system would kill a gateway that takes
 * more memory than the machine has, before the gateway refuses connections and before an alert fires.
 */
export function machineMistakes(values: Partial<Values>): Mistake[] {
  const { machineType, gateway } = values;
  if (machineType === undefined || gateway === undefined) return [];
  const facts = machineFacts(machineType);
  if (facts === undefined) return unknownMachine(machineType, gateway);
  const limits = readLimits(machineType, gateway, facts.vcpus);
  // A setting with a wrong value is reported by the gateway's own check.
  if (limits === undefined) return [];
  return [
    ...cpuMistakes(values, machineType, facts.cores, limits),
    ...memoryMistakes(machineType, gateway, limits),
    ...fileMistakes(limits),
  ];
}

/** Nothing is guessed about a machine type that is not in the table. */
function unknownMachine(machineType: string, gateway: Record<string, string>): Mistake[] {
  const missing = SIZE_SETTINGS.filter((name) => gateway[name] === undefined);
  if (missing.length === 0) return [];
  const names = missing.map((name) => `gateway.${name}`).join(", ");
  return [
    `machineType is ${machineType}, which is not in infra/machines/machine-types.ts: set ${names} ` +
      `(cores; bytes, at most the memory that a VM of this type shows minus ${RESERVED_BYTES}; connections), or add the type`,
  ];
}

interface Limits {
  cpuLimit: number;
  memoryLimit: number;
  maxConnections: number;
  processes: number;
  historyBytes: number;
  /** Percent of cpuLimit. */
  reject: number;
}

function readLimits(machineType: string, gateway: Record<string, string>, vcpus: number): Limits | undefined {
  const all = effectiveSettings(machineType, gateway);
  try {
    return {
      cpuLimit: SETTINGS.WS_CPU_LIMIT.parse(all.WS_CPU_LIMIT),
      memoryLimit: SETTINGS.WS_MEMORY_LIMIT.parse(all.WS_MEMORY_LIMIT),
      maxConnections: SETTINGS.WS_MAX_CONNECTIONS.parse(all.WS_MAX_CONNECTIONS),
      // One process for each vCPU, unless the setting says otherwise.
      processes: SETTINGS.WS_WORKER_POOL_SIZE.parse(all.WS_WORKER_POOL_SIZE ?? String(vcpus)),
      historyBytes: SETTINGS.JS_STREAM_MAX_BYTES.parse(all.JS_STREAM_MAX_BYTES),
      reject: SETTINGS.WS_CPU_REJECT_THRESHOLD.parse(all.WS_CPU_REJECT_THRESHOLD),
    };
  } catch {
    return undefined;
  }
}

function cpuMistakes(
  { cpuTarget }: Partial<Values>,
  machineType: string,
  cores: number,
  { cpuLimit, reject }: Limits,
): Mistake[] {
  if (cpuLimit > cores)
    return [
      `gateway.WS_CPU_LIMIT is ${cpuLimit}: at most ${cores}, the cores of machineType ${machineType}, because otherwise the gateway never notices that the CPU is used up`,
    ];
  // The autoscaler compares the use of all cores, the gateway that of WS_CPU_LIMIT.
  const refusesAt = (reject * cpuLimit) / cores;
  if (cpuTarget === undefined || cpuTarget < refusesAt) return [];
  return [
    `cpuTarget is ${cpuTarget}: below ${Math.floor(refusesAt)} with machineType ${machineType}, because a gateway refuses clients above ${reject} % of its WS_CPU_LIMIT (${cpuLimit} of ${cores} cores), before the autoscaler adds one`,
  ];
}

function memoryMistakes(
  machineType: string,
  gateway: Record<string, string>,
  { memoryLimit, maxConnections, processes, historyBytes }: Limits,
): Mistake[] {
  const memory = gatewayMemory(machineType) as number;
  if (memoryLimit > memory)
    return [
      `gateway.WS_MEMORY_LIMIT is ${memoryLimit}: at most ${memory} with machineType ${machineType}, because the system needs the rest`,
    ];
  const fits = connectionsIn(memoryLimit, processes, historyBytes);
  if (maxConnections <= fits) return [];
  const needed = Math.ceil(memoryOfFull(maxConnections, processes, historyBytes) / MIB);
  const given = gateway.WS_MAX_CONNECTIONS === undefined ? "machineType" : "gateway.WS_MAX_CONNECTIONS";
  const value = given === "machineType" ? machineType : maxConnections;
  const limit = Math.floor(memoryLimit / MIB);
  const remedy =
    fits === 0
      ? "choose a machine with more memory, or lower gateway.WS_WORKER_POOL_SIZE or gateway.JS_STREAM_MAX_BYTES"
      : `set gateway.WS_MAX_CONNECTIONS to at most ${fits}, or choose a machine with more memory`;
  return [
    `${given} is ${value}: ${maxConnections} connections in ${processes} processes need ${needed} MiB, and the gateway refuses clients at 90 % of its ${limit} MiB: ${remedy}`,
  ];
}

function fileMistakes({ maxConnections }: Limits): Mistake[] {
  const most = OPEN_FILES - OTHER_FILES;
  if (maxConnections <= most) return [];
  return [
    `gateway.WS_MAX_CONNECTIONS is ${maxConnections}: at most ${most}, because each process of the gateway may open ${OPEN_FILES} files`,
  ];
}
