import type { TestEvent } from "node:test/reporters";

/** A test that node:test did not run, or ran without minding its result. */
export interface NotRun {
  name: string;
  file: string;
  /** What the test gave as its reason, where it gave one. */
  reason: string;
}

/** What a whole run came to; a test that was cancelled has failed. */
export interface Counts {
  passed: number;
  failed: number;
}

/** One line of this reporter's output, as JSON. */
export type Report = { notRun: NotRun } | { counts: Counts };

/** A reporter for `node --test` that writes what a machine needs to judge a run: who was skipped, and the counts. */
export default async function* countReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    const report = reportOf(event);
    if (report) yield `${JSON.stringify(report)}\n`;
  }
}

function reportOf(event: TestEvent): Report | undefined {
  switch (event.type) {
    case "test:pass":
    case "test:fail": {
      const { name, file = "", skip, todo } = event.data;
      const why = skip ?? todo;
      if (why === undefined || why === false) return undefined;
      return { notRun: { name, file, reason: why === true ? "" : why } };
    }
    case "test:summary": {
      // Each file has a summary too; the one without a file is the whole run's.
      if (event.data.file !== undefined) return undefined;
      const { tests, passed, skipped, todo } = event.data.counts;
      return { counts: { passed, failed: tests - passed - skipped - todo } };
    }
    default:
      return undefined;
  }
}
