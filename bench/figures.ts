/** The figures of a subject over all its rounds. */

import type { Run } from "./measure.ts";
import { median } from "./stats.ts";

export interface Figures {
  served: number;
  connectionsPerSecond: number;
  /** Bytes of the server without connections, then bytes a connection. */
  rssEmpty: number;
  rssIdle: number;
  rssAfter: number;
  idlePercent: number;
  /** Microseconds a delivery, idle CPU taken off. */
  cpu12: number;
  cpu30: number;
  cpuEveryone: number;
  /** The same with idle CPU in it. */
  raw12: number;
  raw30: number;
  /** Latency at 12 msg/s, milliseconds. */
  p50: number;
  p99: number;
  /** Latency at 30 msg/s, milliseconds. */
  p99at30: number;
  /** One to all: milliseconds until the last has it. */
  lastMs: number;
  /** Bytes a delivery of a trade and of the trending list. */
  bytes: number;
  trendingBytes: number;
}

const PICK: Readonly<Record<keyof Figures, (run: Run) => number>> = {
  served: (run) => run.served,
  connectionsPerSecond: (run) => run.connectionsPerSecond,
  rssEmpty: (run) => run.rssEmpty,
  rssIdle: (run) => run.rssIdle,
  rssAfter: (run) => run.rssAfter,
  idlePercent: (run) => run.idlePercent,
  cpu12: (run) => run.at12.cpuMicros,
  cpu30: (run) => run.at30.cpuMicros,
  cpuEveryone: (run) => run.everyone.cpuMicros,
  raw12: (run) => run.at12.cpuMicrosRaw,
  raw30: (run) => run.at30.cpuMicrosRaw,
  p50: (run) => run.at12.latency.p50,
  p99: (run) => run.at12.latency.p99,
  p99at30: (run) => run.at30.latency.p99,
  lastMs: (run) => median(run.lastMs),
  bytes: (run) => run.at12.bytes,
  trendingBytes: (run) => run.trendingBytes,
};

function over(runs: readonly Run[], choose: (values: readonly number[]) => number): Figures {
  const entries = Object.entries(PICK).map(([name, pick]) => [name, choose(runs.map(pick))]);
  return Object.fromEntries(entries) as Figures;
}

export interface Summary {
  median: Figures;
  /** Where rounds differ, the noise shows here. */
  least: Figures;
  most: Figures;
  rounds: number;
}

/** By subject, in the order of their first run. */
export function summarize(runs: readonly Run[]): Map<string, Summary> {
  const summaries = new Map<string, Summary>();
  for (const [subject, own] of Map.groupBy(runs, (run) => run.subject)) {
    summaries.set(subject, {
      median: over(own, median),
      least: over(own, (values) => Math.min(...values)),
      most: over(own, (values) => Math.max(...values)),
      rounds: own.length,
    });
  }
  return summaries;
}
