import type { TestEvent } from "node:test/reporters";

/** A test that node:test did not run, or whose result node:test ignored. */
export interface NotRun {
  name: string;
  file: string;
  /** The reason that the test gave; empty when the test gave none. */
  reason: string;
}

/** Results of a whole run. A cancelled test counts as failed. */
export interface Counts {
  passed: number;
  failed: number;
}

/** Time that one top-level test or suite of a file took. */
export interface Duration {
  file: string;
  /** Milliseconds. */
  ms: number;
}

/** One line of this reporter's output, as JSON. */
export type Report = { notRun: NotRun } | { counts: Counts } | { duration: Duration };

/**
 * A reporter for `node --test`. Its output is for the test runner of this repository: skipped tests,
 * durations and counts.
 */
export default async function* machineReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    for (const report of reportsOf(event)) yield `${JSON.stringify(report)}\n`;
  }
}

function reportsOf(event: TestEvent): Report[] {
  switch (event.type) {
    case "test:pass":
    case "test:fail": {
      const { name, file = "", skip, todo, nesting, details } = event.data;
      const duration: Report[] = nesting === 0 ? [{ duration: { file, ms: details.duration_ms } }] : [];
      const why = skip ?? todo;
      if (why === undefined || why === false) return duration;
      return [...duration, { notRun: { name, file, reason: why === true ? "" : why } }];
    }
    case "test:summary": {
      // Each file has a summary too. The summary without a file belongs to the whole run.
      if (event.data.file !== undefined) return [];
      const { tests, passed, skipped, todo } = event.data.counts;
      return [{ counts: { passed, failed: tests - passed - skipped - todo } }];
    }
    default:
      return [];
  }
}
