/** Which test files run at the same time. */

/** Test files that run together. */
export interface Group {
  files: string[];
  /** Test files at a time. */
  concurrency: number;
}

/**
 * Tests that measure times: what a neighbour of a greedy client notices, and what a load test reports. With
 * more files at a time than the machine has cores, these tests fail.
 */
export const MEASURING: readonly string[] = [
  "loadtest/src/cli.test.ts",
  "loadtest/src/verdict/verdicts.test.ts",
  "test/faults/blocked-log.test.ts",
  "test/faults/fairness.test.ts",
  "test/faults/shortages.test.ts",
];

/**
 * Splits the files of a run in two groups, which run one after the other. Most tests wait for processes more
 * than they compute, so twice as many files as cores run at a time. Tests that measure times run afterwards,
 * as many as there are cores.
 *
 * @param files in the order in which they should start
 */
export function groupsOf(files: readonly string[], cores: number): Group[] {
  const measuring = new Set(MEASURING);
  const atOnce = Math.max(2, cores);
  return [
    { files: files.filter((file) => !measuring.has(file)), concurrency: 2 * atOnce },
    { files: files.filter((file) => measuring.has(file)), concurrency: atOnce },
  ].filter((group) => group.files.length > 0);
}
