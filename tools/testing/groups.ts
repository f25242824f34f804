/** Which test files run at the same time. */

/** Test files that run together. */
export interface Group {
  files: string[];
  /** Test files at a time. */
  concurrency: number;
}

/**
 * Tests that measure times: what a neighbour of a greedy client notices, what a load test reports, and when a
 * page is full. Builds and browsers of other tests would disturb these tests.
 */
export const MEASURING: readonly string[] = [
  "loadtest/src/cli.test.ts",
  "loadtest/src/verdict/verdicts.test.ts",
  "test/demo-page/first-paint.test.ts",
  "test/faults/blocked-log.test.ts",
  "test/faults/fairness.test.ts",
  "test/faults/shortages.test.ts",
];

/**
 * Splits the files of a run in two groups, which run one after the other: tests that measure times are the
 * second group. As many files run at a time as the machine has cores. With twice as many, a run takes as
 * long, because the tests need all cores, and tests with deadlines fail.
 *
 * @param files in the order in which they should start
 */
export function groupsOf(files: readonly string[], cores: number): Group[] {
  const measuring = new Set(MEASURING);
  const concurrency = Math.max(2, cores);
  return [
    { files: files.filter((file) => !measuring.has(file)), concurrency },
    { files: files.filter((file) => measuring.has(file)), concurrency },
  ].filter((group) => group.files.length > 0);
}
