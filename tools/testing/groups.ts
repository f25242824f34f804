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
 * second group. Of the other tests, one file more than the machine has cores runs at a time, because many
 * tests wait for a process or a timer most of their time. With twice as many files as cores, tests with
 * deadlines fail.
 *
 * @param files in the order in which they should start
 */
export function groupsOf(files: readonly string[], cores: number): Group[] {
  const measuring = new Set(MEASURING);
  const atATime = Math.max(2, cores);
  return [
    { files: files.filter((file) => !measuring.has(file)), concurrency: atATime + 1 },
    { files: files.filter((file) => measuring.has(file)), concurrency: atATime },
  ].filter((group) => group.files.length > 0);
}
