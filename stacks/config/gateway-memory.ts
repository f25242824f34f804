import { SETTINGS } from "@odin-ws/server/settings";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** What the gateway's start-up script leaves to the system, docker and the log shipper. */
export const RESERVED_BYTES = 640 * MIB;

/** A machine shows less than it is sold with: the kernel's own tables grow with it, its code and the firmware do not. */
const SHOWN = { part: 0.98, lessBytes: 128 * MIB };

/** GiB for each vCPU, by series and kind; where sizes differ, the least. Source: the machine types' reference of Compute Engine. */
const GIB_A_CPU: Record<string, Partial<Record<string, number>>> = {
  e2: { standard: 4, highmem: 8, highcpu: 1 },
  n1: { standard: 3.75, highmem: 6.5, highcpu: 0.9 },
  n2: { standard: 4, highmem: 8, highcpu: 1 },
  n2d: { standard: 4, highmem: 8, highcpu: 1 },
  n4: { standard: 4, highmem: 8, highcpu: 2 },
  t2d: { standard: 4 },
  c2: { standard: 4 },
  c2d: { standard: 4, highmem: 8, highcpu: 2 },
  c3: { standard: 4, highmem: 8, highcpu: 2 },
  c3d: { standard: 4, highmem: 8, highcpu: 2 },
  c4: { standard: 3.5, highmem: 7.5, highcpu: 2 },
};

/** GiB of machine types that share their CPUs. */
const SHARED: Record<string, number> = { "e2-micro": 1, "e2-small": 2, "e2-medium": 4 };

/** Bytes that a machine has for the gateway, at least; undefined for a type that is not known here. */
export function gatewayMemory(machineType: string): number | undefined {
  const gib = machineGib(machineType);
  if (gib === undefined) return undefined;
  return Math.floor(gib * GIB * SHOWN.part) - SHOWN.lessBytes - RESERVED_BYTES;
}

/**
 * WS_MEMORY_LIMIT where the machine is too small for the gateway's default. The start-up script would set about the same by itself, but
 * then monitoring would not know it, and its alert would wait for memory that no gateway has.
 */
export function memoryLimit(machineType: string): { WS_MEMORY_LIMIT?: string } {
  const memory = gatewayMemory(machineType);
  const usual = SETTINGS.WS_MEMORY_LIMIT.parse(undefined);
  return memory === undefined || memory >= usual ? {} : { WS_MEMORY_LIMIT: String(memory) };
}

function machineGib(machineType: string): number | undefined {
  const shared = SHARED[machineType];
  if (shared !== undefined) return shared;
  // For example n2-custom-2-4096, whose last number is MiB.
  const [, custom] = /^\w+-custom-\w+-(\d+)(?:-ext)?$/.exec(machineType) ?? [];
  if (custom !== undefined) return (Number(custom) * MIB) / GIB;
  const [, series = "", kind = "", cpus = ""] = /^(\w+)-([a-z]+)-(\d+)$/.exec(machineType) ?? [];
  const each = GIB_A_CPU[series]?.[kind];
  return each === undefined ? undefined : each * Number(cpus);
}
