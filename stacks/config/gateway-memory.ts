import { SETTINGS } from "@odin-ws/server/settings";

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Memory that the gateway's start-up script reserves for the system, Docker and the log shipper. */
export const RESERVED_BYTES = 640 * MIB;

/**
 * A VM shows less memory than its machine type has: the kernel's tables grow with the memory (the part), and
 * the kernel's code and the firmware do not (the bytes).
 */
const SHOWN = { part: 0.98, lessBytes: 128 * MIB };

/**
 * GiB for each vCPU, by series and kind; the smallest value where sizes differ. Source: Compute Engine's
 * reference of machine types.
 */
const GIB_PER_CPU: Record<string, Partial<Record<string, number>>> = {
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

/** Fewest bytes that a machine has for the gateway; undefined for an unknown machine type. */
export function gatewayMemory(machineType: string): number | undefined {
  const gib = machineGib(machineType);
  if (gib === undefined) return undefined;
  return Math.floor(gib * GIB * SHOWN.part) - SHOWN.lessBytes - RESERVED_BYTES;
}

/**
 * WS_MEMORY_LIMIT for a machine that is too small for the gateway's default; empty for other machines. The
 * start-up script would choose about the same limit, but monitoring has to know the limit, too: otherwise the
 * memory alert would wait for a usage that no gateway can reach.
 */
export function memoryLimit(machineType: string): { WS_MEMORY_LIMIT?: string } {
  const memory = gatewayMemory(machineType);
  const usual = SETTINGS.WS_MEMORY_LIMIT.parse(undefined);
  return memory === undefined || memory >= usual ? {} : { WS_MEMORY_LIMIT: String(memory) };
}

function machineGib(machineType: string): number | undefined {
  const shared = SHARED[machineType];
  if (shared !== undefined) return shared;
  // Custom types end with MiB, for example n2-custom-2-4096.
  const [, custom] = /^\w+-custom-\w+-(\d+)(?:-ext)?$/.exec(machineType) ?? [];
  if (custom !== undefined) return (Number(custom) * MIB) / GIB;
  const [, series = "", kind = "", cpus = ""] = /^(\w+)-([a-z]+)-(\d+)$/.exec(machineType) ?? [];
  const each = GIB_PER_CPU[series]?.[kind];
  return each === undefined ? undefined : each * Number(cpus);
}
