import { IN_TIME_SECONDS, SLOS } from "./slos.ts";
import { THRESHOLDS } from "./thresholds.ts";

/** What a dashboard draws as a line where no alert waits: what was measured or set elsewhere, and when it is time to think. */
export const REFERENCE_LINES = {
  /** Seconds from publishing to the socket that the objective on latency calls in time. */
  inTime: { value: IN_TIME_SECONDS, unit: "s" },
  /** Part of connection attempts that may be refused by the objective. */
  connectionErrors: { value: round(1 - SLOS.connections.objective), unit: "percentunit" },
  /** Part of deliveries that may be late by the objective. */
  latencyErrors: { value: round(1 - SLOS.latency.objective), unit: "percentunit" },
  /** Part of the month's error budget that is left: with less than this no risks are taken. */
  budgetLeft: { value: 0.1, unit: "percentunit" },
  /** What must not be nothing: open connections, messages in the stream, a gateway's way to NATS. */
  present: { value: 0, unit: "short" },
  /** Alerts that fire. */
  firing: { value: 0, unit: "short" },
  /** Log lines of level error and worse. */
  logErrors: { value: 0, unit: "short" },
  /** Deliveries a second of one gateway: 75 % of 1.9 cores (it refuses clients from there on) at 14 µs each, docs/performance.md. */
  deliveries: { value: 100_000, unit: "short" },
  /** Bytes a second of one gateway: 80 % of the 4 Gbit/s that an e2-standard-2 may send. */
  bytesSent: { value: 400_000_000, unit: "bytes" },
  /** Connections a second of one gateway: what it has to take after a failure elsewhere, docs/performance.md. */
  connects: { value: 500, unit: "short" },
  /** Part of the connections that is throttled: a few clients have bad networks, more than this have us in common. */
  throttled: { value: 0.05, unit: "percentunit" },
  /** Messages a second that a gateway reads: the default of WS_MAX_NATS_RATE. */
  streamRead: { value: 1000, unit: "short" },
  /** Bytes of memory of one connection after compressed traffic, docs/performance.md. */
  connectionMemory: { value: 16_384, unit: "bytes" },
  /** Seconds of CPU of one delivery: a plain `ws.send` took 13 to 18 µs, docs/performance.md. */
  deliveryCpu: { value: 0.00002, unit: "s" },
  /** Days until all that may run is full: more machines take quota, and quota takes weeks. */
  daysLeft: { value: 28, unit: "short" },
  /** Part by which the peak grows in a week: it doubles within four. */
  weeklyGrowth: { value: 0.2, unit: "percentunit" },
  /** Connections of one NATS server: its default max_connections. */
  natsConnections: { value: 65_536, unit: "short" },
  /** Bytes of memory of one NATS server: three quarters of an e2-small. */
  natsMemory: { value: 1_500_000_000, unit: "bytes" },
} as const;

/** Rows of both tables by name: where every line of every dashboard comes from. */
export const LIMITS = { ...THRESHOLDS, ...REFERENCE_LINES };

export type LimitName = keyof typeof LIMITS;

/** 1 - 0.999 is not 0.001 in binary. */
function round(value: number): number {
  return Number(value.toFixed(6));
}
