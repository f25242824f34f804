/** Which faults happen when. A schedule follows from its seed alone: the same seed makes the same faults. */

import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** What one kind of fault needs to know. */
export interface FaultKind {
  /** How often the kind occurs, relative to the others. */
  weight: number;
  /** Shortest and longest time until the fault ends, milliseconds. */
  lasts: readonly [number, number];
  /** What the fault hits: one of several gateways, lines to clients, or NATS servers, or a single part. */
  hits: "gateway" | "line" | "nats" | "publisher" | "keys";
  /** What the kind needs: namespaces, which only root can make, or a cluster of NATS servers. */
  needs?: "namespace" | "cluster";
}

export const FAULTS = {
  "gateway-kill": { weight: 3, lasts: [200, 4000], hits: "gateway" },
  "gateway-drain": { weight: 3, lasts: [200, 4000], hits: "gateway" },
  "gateway-freeze": { weight: 2, lasts: [500, 6000], hits: "gateway" },
  "gateway-loss": { weight: 2, lasts: [1000, 8000], hits: "gateway", needs: "namespace" },
  "gateway-one-way": { weight: 2, lasts: [1000, 6000], hits: "gateway", needs: "namespace" },
  "gateway-files": { weight: 2, lasts: [1000, 6000], hits: "gateway" },
  "gateway-memory": { weight: 1, lasts: [1000, 4000], hits: "gateway" },
  "gateway-clock": { weight: 2, lasts: [1000, 10_000], hits: "gateway" },
  "worker-kill": { weight: 3, lasts: [0, 0], hits: "gateway" },
  "line-cut": { weight: 6, lasts: [0, 0], hits: "line" },
  "line-cut-in-frame": { weight: 6, lasts: [0, 0], hits: "line" },
  "line-flap": { weight: 6, lasts: [1000, 6000], hits: "line" },
  // Longer than the 10 s in which a client notices a dead line.
  "line-stall": { weight: 4, lasts: [15_000, 15_000], hits: "line" },
  "line-one-way": { weight: 4, lasts: [2000, 15_000], hits: "line", needs: "namespace" },
  "line-refuse": { weight: 4, lasts: [500, 8000], hits: "line" },
  // Longer than the history of the gateways, 30 s: the client must report a loss.
  "line-away": { weight: 3, lasts: [33_000, 45_000], hits: "line" },
  "line-slow": { weight: 6, lasts: [500, 8000], hits: "line" },
  "client-move": { weight: 4, lasts: [0, 0], hits: "line" },
  "client-reload": { weight: 4, lasts: [0, 0], hits: "line" },
  "nats-kill": { weight: 2, lasts: [100, 4000], hits: "nats" },
  "nats-freeze": { weight: 2, lasts: [500, 4000], hits: "nats" },
  "nats-loss": { weight: 2, lasts: [1000, 6000], hits: "nats", needs: "namespace" },
  "nats-disk-full": { weight: 2, lasts: [1000, 4000], hits: "nats", needs: "namespace" },
  "leader-change": { weight: 3, lasts: [0, 0], hits: "nats", needs: "cluster" },
  "consumers-delete": { weight: 2, lasts: [0, 0], hits: "nats" },
  "stream-purge": { weight: 1, lasts: [0, 0], hits: "nats" },
  "stream-recreate": { weight: 1, lasts: [0, 0], hits: "nats" },
  "acks-lost": { weight: 4, lasts: [200, 3000], hits: "publisher" },
  "publisher-cut": { weight: 2, lasts: [0, 0], hits: "publisher" },
  "keys-away": { weight: 2, lasts: [1000, 8000], hits: "keys" },
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

export interface Fault {
  name: FaultName;
  /** Milliseconds from the start of the run. */
  at: number;
  /** Milliseconds until the fault ends. */
  lasts: number;
  /** Index of the gateway, line or NATS server. */
  target: number;
  /** A number from 0 to 1 for details of the fault, such as the byte at which a line is cut. */
  detail: number;
}

export interface ScheduleOptions {
  seed: number;
  /** Time in which faults begin, milliseconds. */
  lengthMs: number;
  gateways: number;
  lines: number;
  natsServers: number;
  /** Kinds that may occur. */
  kinds: readonly FaultName[];
}

/** Shortest and longest time between the beginnings of two faults, ms: several faults overlap. */
const GAP_MS = [100, 2500] as const;

/** The kinds of faults that a run can make. */
export function possibleKinds(natsServers: number, namespace: boolean): FaultName[] {
  return FAULT_NAMES.filter((name) => {
    const { needs }: FaultKind = FAULTS[name];
    return needs === undefined || (needs === "cluster" ? natsServers > 1 : namespace);
  });
}

/** Faults in the order of their beginning. */
export function schedule(options: ScheduleOptions): Fault[] {
  const { seed, lengthMs, gateways, lines, natsServers, kinds } = options;
  const random = xoroshiro128plus(seed);
  const between = ([from, to]: readonly [number, number]) => uniformInt(random, from, to);
  const counts = { gateway: gateways, line: lines, nats: natsServers, publisher: 1, keys: 1 };
  const lots = kinds.flatMap((name) => Array.from({ length: FAULTS[name].weight }, () => name));
  const faults: Fault[] = [];
  for (let at = between(GAP_MS); at < lengthMs; at += between(GAP_MS)) {
    const name = lots[uniformInt(random, 0, lots.length - 1)] as FaultName;
    const { lasts, hits } = FAULTS[name];
    const target = uniformInt(random, 0, counts[hits] - 1);
    faults.push({ name, at, lasts: between(lasts), target, detail: uniformFloat64(random) });
  }
  return faults;
}

/** Numbers from 0 to 1 that follow from a seed, for what is not a fault. */
export function seeded(seed: number): () => number {
  const random = xoroshiro128plus(seed);
  return () => uniformFloat64(random);
}

/** One line for a timeline. */
export function describeFault({ name, at, lasts, target }: Fault): string {
  const { hits } = FAULTS[name];
  const where = hits === "publisher" || hits === "keys" ? "" : ` ${hits} ${target}`;
  const until = lasts > 0 ? ` for ${lasts} ms` : "";
  return `${(at / 1000).toFixed(2).padStart(8)} s  ${name}${where}${until}`;
}
