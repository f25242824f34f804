/** The figures of a subject over all its rounds. NaN stands for what was not measured. */

import type { BUSY_WINDOWS, OnWire, WIRE_WINDOWS } from "./busy.ts";
import type { Many, Run } from "./measure.ts";
import type { Traffic } from "./measurement.ts";
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
  /**
   * 800 msg/s to 200 clients, evenly and 8 at a time, and 100 msg/s to 1,210: CPU for each delivery, µs, and
   * latency, ms.
   */
  busy800: number;
  busy800p99: number;
  burst800: number;
  burst800p99: number;
  busy100: number;
  busy100p99: number;
  /**
   * Bytes of IP packets for each delivery of a trade, and packets, to 200 clients: at 12 and at 800 msg/s.
   */
  wire12: number;
  wire12packets: number;
  wire800: number;
  wire800packets: number;
}

const many = (pick: (many: Many) => number) => (run: Run) =>
  run.many === undefined ? Number.NaN : pick(run.many);
const busy = (name: keyof typeof BUSY_WINDOWS, pick: (traffic: Traffic) => number) => (run: Run) =>
  run.busy === undefined ? Number.NaN : pick(run.busy[name]);
const wire = (name: keyof typeof WIRE_WINDOWS, pick: (wire: OnWire) => number) => (run: Run) =>
  run.wire === undefined ? Number.NaN : pick(run.wire[name]);

const PICK: Readonly<Record<keyof Figures, (run: Run) => number>> = {
  served: many((run) => run.served),
  connectionsPerSecond: many((run) => run.connectionsPerSecond),
  rssEmpty: many((run) => run.rssEmpty),
  rssIdle: many((run) => run.rssIdle),
  rssAfter: many((run) => run.rssAfter),
  idlePercent: many((run) => run.idlePercent),
  cpu12: many((run) => run.at12.cpuMicros),
  cpu30: many((run) => run.at30.cpuMicros),
  cpuEveryone: many((run) => run.everyone.cpuMicros),
  raw12: many((run) => run.at12.cpuMicrosRaw),
  raw30: many((run) => run.at30.cpuMicrosRaw),
  p50: many((run) => run.at12.latency.p50),
  p99: many((run) => run.at12.latency.p99),
  p99at30: many((run) => run.at30.latency.p99),
  lastMs: many((run) => median(run.lastMs)),
  bytes: many((run) => run.at12.bytes),
  trendingBytes: many((run) => run.trendingBytes),
  busy800: busy("busy800", ({ cpuMicros }) => cpuMicros),
  busy800p99: busy("busy800", ({ latency }) => latency.p99),
  burst800: busy("burst800", ({ cpuMicros }) => cpuMicros),
  burst800p99: busy("burst800", ({ latency }) => latency.p99),
  busy100: busy("busy100", ({ cpuMicros }) => cpuMicros),
  busy100p99: busy("busy100", ({ latency }) => latency.p99),
  wire12: wire("wire12", ({ bytes }) => bytes),
  wire12packets: wire("wire12", ({ packets }) => packets),
  wire800: wire("wire800", ({ bytes }) => bytes),
  wire800packets: wire("wire800", ({ packets }) => packets),
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
