/**
 * What Google's machine types have. Every setting, limit and alert that follows from the machine type is
 * computed from this table. A type that is not here is unknown, and nothing about it is guessed.
 */

const GIB = 2 ** 30;
const MIB = 2 ** 20;

export interface MachineFacts {
  /** CPUs that the machine shows; the gateway starts one process for each. */
  vcpus: number;
  /** CPUs that the machine can use all the time. Below `vcpus` for types that share their CPUs. */
  cores: number;
  memoryBytes: number;
  /** Bits a second that the machine may send, without Tier_1 networking; undefined: not known. */
  egressBits: number | undefined;
}

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

/** Types that share their CPUs. Each has 2 vCPUs. */
const SHARED: Record<string, { cores: number; gib: number; egressGbits: number }> = {
  "e2-micro": { cores: 0.25, gib: 1, egressGbits: 1 },
  "e2-small": { cores: 0.5, gib: 2, egressGbits: 1 },
  "e2-medium": { cores: 1, gib: 4, egressGbits: 2 },
};

/** Gbit/s of E2 machines with at least this many vCPUs, largest first. Source: as above. */
const E2_EGRESS = [
  [8, 16],
  [4, 8],
  [2, 4],
] as const;

/** Returns undefined for a type that is not known. */
export function machineFacts(machineType: string): MachineFacts | undefined {
  const shared = Object.hasOwn(SHARED, machineType) ? SHARED[machineType] : undefined;
  if (shared !== undefined) {
    const { cores, gib, egressGbits } = shared;
    return { vcpus: 2, cores, memoryBytes: gib * GIB, egressBits: egressGbits * 1e9 };
  }
  return customFacts(machineType) ?? predefinedFacts(machineType);
}

/** For example `n2-custom-2-4096`: vCPUs, and MiB. */
function customFacts(machineType: string): MachineFacts | undefined {
  const [, series = "", size = "", mib = ""] =
    /^(\w+)-custom-(micro|small|medium|\d+)-(\d+)(?:-ext)?$/.exec(machineType) ?? [];
  if (mib === "") return undefined;
  const shared = SHARED[`e2-${size}`];
  const vcpus = shared === undefined ? Number(size) : 2;
  return {
    vcpus,
    cores: shared?.cores ?? vcpus,
    memoryBytes: Number(mib) * MIB,
    egressBits: shared === undefined ? egressOf(series, vcpus) : shared.egressGbits * 1e9,
  };
}

function predefinedFacts(machineType: string): MachineFacts | undefined {
  const [, series = "", kind = "", cpus = ""] = /^(\w+)-([a-z]+)-(\d+)$/.exec(machineType) ?? [];
  const each = GIB_PER_CPU[series]?.[kind];
  const vcpus = Number(cpus);
  if (each === undefined || vcpus === 0) return undefined;
  return { vcpus, cores: vcpus, memoryBytes: each * vcpus * GIB, egressBits: egressOf(series, vcpus) };
}

function egressOf(series: string, vcpus: number): number | undefined {
  if (series !== "e2") return undefined;
  const gbits = E2_EGRESS.find(([least]) => vcpus >= least)?.[1];
  return gbits === undefined ? undefined : gbits * 1e9;
}
