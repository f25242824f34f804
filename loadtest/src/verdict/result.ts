/** What a run came to: this is the JSON report. */

import { cpus, release, totalmem } from "node:os";
import type { Balance, FaultName } from "../control.ts";
import type { Scenario } from "../settings/options.ts";
import type { Quantiles } from "./figures.ts";
import type { GatewayFigures } from "./gateway-watch.ts";
import type { Point, Stage } from "./timeline.ts";

export interface Check {
  name: string;
  /** `skipped`: it could not be checked in this run; `text` says why. */
  outcome: "passed" | "failed" | "skipped";
  text: string;
}

export interface Result {
  scenario: Scenario;
  outcome: "passed" | "failed" | "stopped";
  startedAt: string;
  seconds: number;
  command: {
    connections: number;
    urls: string[];
    rates: number[];
    connectRate: number;
    seconds: number;
    workers: number;
    compression: boolean;
    maxP99Ms: number;
    minSuccess: number;
  };
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; kernel: string };
  feed: string;
  /** What latency is counted from, and whose clock it is compared with. */
  latencyBasis: string;
  checks: Check[];
  /** Connections that were open at the end of the traffic, and the most at any time. */
  open: number;
  mostOpen: number;
  served: number;
  secondsToConnect: number;
  deliveries: number;
  bytes: number;
  /** Messages of the stream that reached a client, and that the load test has published itself. */
  messages: number;
  published: number;
  gaps: number;
  replays: number;
  caughtUp: number;
  resumed: number;
  notRecovered: number;
  throttled: number;
  balance: Balance | undefined;
  latency: Quantiles;
  latencyCurve: { percent: number; ms: number }[];
  connect: Quantiles;
  resume: Quantiles;
  roundTrip: Quantiles;
  stages: Stage[];
  /** Moments worth a mark in a plot: seconds since the begin. */
  marks: { at: number; name: string }[];
  faults: Partial<Record<FaultName, number>>;
  refused: Record<string, number>;
  ended: Record<string, number>;
  examples: string[];
  gateway: {
    before: GatewayFigures | undefined;
    after: GatewayFigures | undefined;
    trouble: string | undefined;
  };
  timeline: Point[];
}

export function machine(): Result["machine"] {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() || "unknown CPU",
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    node: process.versions.node,
    kernel: release(),
  };
}
