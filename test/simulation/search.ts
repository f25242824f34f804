/** Runs random schedules until one fails, and then looks for the shortest one that still fails. */

import fc from "fast-check";
import { run } from "./run.ts";
import { describe, SCHEDULE } from "./schedule.ts";

/** Longest time in which a shorter schedule is sought, ms. */
const SHORTEN_MS = 20_000;
/** Violations that are shown. */
const SHOWN = 10;

export interface Found {
  /** The shortest schedule that fails, and what it violates; undefined: none failed. */
  failure: string | undefined;
  received: number;
  refetches: number;
}

export async function search(seed: number, schedules: number): Promise<Found> {
  let received = 0;
  let refetches = 0;
  let deadline = Number.POSITIVE_INFINITY;
  const property = fc.asyncProperty(SCHEDULE, async (schedule) => {
    if (performance.now() > deadline) return true; // the shortest schedule so far must do
    const result = await run(schedule);
    received += result.received;
    refetches += result.refetches;
    if (result.violations.length === 0) return true;
    if (deadline === Number.POSITIVE_INFINITY) deadline = performance.now() + SHORTEN_MS;
    return false;
  });
  const { counterexample, counterexamplePath, numRuns } = await fc.check(property, {
    seed,
    numRuns: schedules,
  });
  const [schedule] = counterexample ?? [];
  if (schedule === undefined) return { failure: undefined, received, refetches };
  const { violations, startedAt } = await run(schedule);
  const lines = violations
    .slice(0, SHOWN)
    .map(({ who, at, what }) => `${String(at - startedAt).padStart(6)} ms: ${who}: ${what}`);
  const failure = [
    `seed ${seed}: schedule ${numRuns} fails. The shortest schedule that fails (chance ${schedule.chance}, path ${counterexamplePath}):`,
    ...schedule.steps.map(describe),
    `${violations.length} violations:`,
    ...lines,
  ].join("\n");
  return { failure, received, refetches };
}
