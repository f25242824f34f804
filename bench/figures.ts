/** The figures of a subject over all its rounds. */

import type { Run } from "./measure.ts";
import { median } from "./stats.ts";

export interface Figures {
  served: number;
  connectionsPerSecond: number;
  /** Bytes of the server without connections. */
  rssEmpty: number;
  /** Bytes for each connection: idle, and after the traffic. */
  rssIdle: number;
  rssAfter: number;
  idlePercent: number;
  /** CPU for each delivery without idle CPU, µs. */
  cpu12: number;
  cpu30: number;
  cpuEveryone: number;
  /** CPU for each delivery with idle CPU, µs. */
  raw12: number;
  raw30: number;
  /** Latency at 12 msg/s, milliseconds. */
  p50: number;
  p99: number;
  /** Latency at 30 msg/s, milliseconds. */
  p99at30: number;
  /** Time until the last of all clients has received a message to everyone, ms. */
  lastMs: number;
  /** Bytes for each delivery of a trade, and of the trending list. */
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
  /** The least and largest values show the noise between rounds. */
  least: Figures;
  most: Figures;
  rounds: number;
}

/** Summarizes the runs by subject, in the order of the subjects' first runs. */
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
