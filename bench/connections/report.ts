/** The figures of a run, as they are kept in the JSON file. */

import type { Machine } from "../report.ts";
import type { BytesEach, Spread } from "./figures.ts";

/** The gateway without connections. */
export interface Empty {
  workers: number;
  processes: number;
  /** Memory of all processes, bytes; see Usage. */
  rss: number;
  pss: number;
  /** CPU time in a second, µs. */
  cpuPerSecond: number;
}

/** Idle connections, all subscribed. */
export interface Step {
  connections: number;
  /** Time in which the connections since the last step were opened. */
  seconds: number;
  opened: number;
  failures: Record<string, number>;
  bytes: BytesEach;
  /** CPU of the gateway for each connection and second, µs. */
  idleMicros: number;
  /** CPU of the gateway for one connection, handshake and subscription, µs. */
  openMicros: number;
  /** CPU of the idle gateway, in cores. */
  idleCores: number;
}

/** All clients of a gateway or of a worker connect again at once. */
export interface Comeback {
  what: "worker" | "gateway";
  connections: number;
  workers: number;
  /** Clients that lost their connection. */
  lost: number;
  /** Time until all were subscribed again; undefined: they were not within the time of the measurement. */
  seconds: number | undefined;
  missing: number;
  attempts: number;
  failures: Record<string, number>;
  /** From the end of the connection to the new subscription, ms. */
  waits: Spread;
  /** Clients that were subscribed, second by second. */
  course: number[];
}

/** One message a second to a part of the connections. */
export interface Fanout {
  /** Whether connections were opened at the same time. */
  opening: boolean;
  connections: number;
  workers: number;
  audience: number;
  messages: number;
  deliveries: number;
  /** Deliveries that did not arrive; 0 is not proven while connections are opened. */
  lost: number;
  disorder: number;
  /** Publish to arrival at the client, ms. */
  latency: Spread;
  /** CPU of the gateway, in cores. */
  gatewayCores: number;
  /** CPU of the load processes, in cores. */
  loadCores: number;
  /** Opening: connections a second, and attempts that failed. */
  openedPerSecond?: number;
  failures?: Record<string, number>;
  /** Resident memory of all gateway processes, bytes. */
  gatewayPss: number;
}

export interface Report {
  machine: Machine;
  at: string;
  empty: Empty[];
  steps: Step[];
  comebacks: Comeback[];
  fanouts: Fanout[];
}

export function emptyReport(machine: Machine): Report {
  return { machine, at: new Date().toISOString(), empty: [], steps: [], comebacks: [], fanouts: [] };
}

/** Adds the figures of a run to those of an earlier one, and replaces figures of the same kind. */
export function combined(before: Report, now: Report): Report {
  const merge = <T>(kind: (figure: T) => string, older: readonly T[], newer: readonly T[]): T[] => {
    const byKind = new Map([...older, ...newer].map((figure) => [kind(figure), figure]));
    return [...byKind.values()];
  };
  return {
    ...now,
    empty: merge(({ workers }) => String(workers), before.empty, now.empty),
    steps: merge(({ connections }) => String(connections), before.steps, now.steps).sort(
      (a, b) => a.connections - b.connections,
    ),
    comebacks: merge(({ what, connections }) => `${what} ${connections}`, before.comebacks, now.comebacks),
    fanouts: merge(({ opening, connections }) => `${opening} ${connections}`, before.fanouts, now.fanouts),
  };
}
