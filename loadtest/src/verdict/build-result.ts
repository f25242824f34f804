/** Builds the result of a run from what the run found. */

import type { Options } from "../settings/options.ts";
import type { Feed } from "../traffic/feed.ts";
import type { Plan } from "../traffic/plan.ts";
import type { DeliverySummary, Finished } from "../worker-messages.ts";
import type { Evidence } from "./check.ts";
import { judge } from "./checks.ts";
import type { ExpectedMessages } from "./expected-messages.ts";
import { type Clocks, describeLatency } from "./latency-basis.ts";
import { machine, REPORTED_OPTIONS, type Result } from "./result.ts";
import type { Totals } from "./totals.ts";

export interface Found {
  options: Options;
  startedAt: Date;
  clocks: Clocks;
  feed: Feed;
  plan: Plan;
  expected: ExpectedMessages;
  totals: Totals;
  marks: Result["marks"];
  mostOpen: number;
  secondsToConnect: number;
  finished: readonly Finished[];
  summary: DeliverySummary;
  gateway: Result["gateway"];
  counts: Evidence["counts"];
  /** What went wrong with the command of `--kill`. */
  commandFailures: readonly string[];
  /** The run ended by Ctrl-C. */
  stopped: boolean;
}

export function buildResult(found: Found): Result {
  const { options, feed, expected, totals, summary, finished, stopped } = found;
  const { stages, whole } = totals.latency;
  const result: Omit<Result, "checks" | "outcome"> = {
    scenario: options.scenario,
    startedAt: found.startedAt.toISOString(),
    seconds: Math.round(totals.timeline.seconds),
    command: Object.fromEntries(REPORTED_OPTIONS.map((name) => [name, options[name]])) as Result["command"],
    machine: machine(),
    feed: feed.description,
    latencyBasis: describeLatency(found.clocks, totals.clock),
    open: finished.reduce((sum, { open }) => sum + open, 0),
    mostOpen: found.mostOpen,
    secondsToConnect: Math.round(found.secondsToConnect * 10) / 10,
    ...totals.counts,
    messages: expected.count,
    published: expected.published,
    deliverySummary: summary,
    latency: whole.quantiles,
    latencyCurve: whole.curve(),
    connect: totals.connect.quantiles,
    resume: totals.resume.quantiles,
    roundTrip: totals.roundTrip.quantiles,
    stages,
    marks: found.marks,
    faults: totals.faults,
    refused: totals.refused,
    ended: totals.ended,
    examples: [...totals.examples, ...expected.conflicts.slice(0, 5), ...summary.examples],
    gateway: found.gateway,
    timeline: totals.points,
  };
  const checks = judge({
    ...{ options, result, summary, stopped },
    subscribers: found.plan.subscribers,
    counts: found.counts,
    commandFailures: found.commandFailures,
    conflicts: expected.conflicts,
    unsettled: finished.reduce((sum, { unsettled }) => sum + unsettled, 0),
    feedFailures: feed.failures,
  });
  const failed = checks.some(({ outcome }) => outcome === "failed");
  return { ...result, checks, outcome: stopped ? "stopped" : failed ? "failed" : "passed" };
}
