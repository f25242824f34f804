/** Which test files run at the same time. */

/** Test files that run together. */
export interface Group {
  files: string[];
  /** Test files at a time. */
  concurrency: number;
}

/**
 * The end of the name of a test file that measures times or CPU: what a neighbour of a greedy client notices,
 * what a load test reports, when a page is full. Other tests on the same cores would disturb its
 * measurements, so the file runs alone.
 */
const ALONE = ".alone.test.ts";

/**
 * Splits the files of a run in two groups, which run one after the other: in the second group, each file runs
 * alone.
 *
 * @param files in the order in which they should start
 * @param concurrency files of the first group at a time
 */
export function groupsOf(files: readonly string[], concurrency: number): Group[] {
  return [
    { files: files.filter((file) => !file.endsWith(ALONE)), concurrency },
    { files: files.filter((file) => file.endsWith(ALONE)), concurrency: 1 },
  ].filter((group) => group.files.length > 0);
}
