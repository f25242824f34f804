/** The result of a run, which is also the JSON report. */

import { cpus, release, totalmem } from "node:os";
import type { Options, Scenario } from "../settings/options.ts";
import type { DeliverySummary, FaultName } from "../worker-messages.ts";
import type { Quantiles } from "./distribution.ts";
import type { GatewayFigures } from "./gateway-metrics.ts";
import type { Point, Stage } from "./timeline.ts";

export interface Check {
  name: string;
  /** `skipped`: this could not be checked in this run; `text` says why. */
  outcome: "passed" | "failed" | "skipped";
  text: string;
}

/** The options that the result names. */
export const REPORTED_OPTIONS = [
  "connections",
  "urls",
  "rates",
  "connectRate",
  "seconds",
  "workers",
  "compression",
  "compact",
  "last",
  "maxRate",
  "conflate",
  "maxP99Ms",
  "minSuccess",
] as const satisfies readonly (keyof Options)[];

export interface Result {
  scenario: Scenario;
  outcome: "passed" | "failed" | "stopped";
  startedAt: string;
  seconds: number;
  command: Pick<Options, (typeof REPORTED_OPTIONS)[number]>;
  machine: { cpu: string; cores: number; memoryGiB: number; node: string; kernel: string };
  feed: string;
  /** Says from which moment latency counts, and on which clocks. */
  latencyBasis: string;
  checks: Check[];
  /** Connections that were open at the end of the traffic, and the most at any moment. */
  open: number;
  mostOpen: number;
  served: number;
  secondsToConnect: number;
  deliveries: number;
  bytes: number;
  /** Messages of the stream that reached a client or were published by the load test. */
  messages: number;
  /** Messages that the load test itself published. */
  published: number;
  /** Sequence numbers that did not arrive in order. */
  gaps: number;
  replays: number;
  /** Deliveries that the gateway sent again on request. */
  caughtUp: number;
  /** Deliveries that are last values. */
  lastValues: number;
  resumed: number;
  notRecovered: number;
  throttled: number;
  deliverySummary: DeliverySummary;
  latency: Quantiles;
  latencyCurve: { percent: number; ms: number }[];
  connect: Quantiles;
  resume: Quantiles;
  roundTrip: Quantiles;
  stages: Stage[];
  /** Moments to mark in the plots, seconds since the start. */
  marks: { at: number; name: string }[];
  faults: Partial<Record<FaultName, number>>;
  refused: Record<string, number>;
  ended: Record<string, number>;
  examples: string[];
  gateway: {
    before: GatewayFigures | undefined;
    after: GatewayFigures | undefined;
    /** Why the metrics could not be read. */
    error: string | undefined;
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
