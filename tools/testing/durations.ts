/**
 * How long each test file took in earlier runs, so that the slow files start first and the slowest are named
 * at the end.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import type { Duration } from "./reporter.ts";

const SHOWN = 10; // files in the list of the slowest
const WORTH_SHOWING_MS = 60_000; // a run of less than a minute needs no list

/** Milliseconds by test file, relative to the root of the repository. */
export type Durations = Record<string, number>;

/** Reads what `saveDurations` wrote; empty when there is nothing to read or the text is not JSON. */
export function loadDurations(path: string): Durations {
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Durations;
  } catch {
    return {};
  }
}

/** Writes durations. Files that did not run this time keep their earlier durations. */
export function saveDurations(path: string, durations: Durations): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify({ ...loadDurations(path), ...durations }, undefined, 2)}\n`);
}

/** Adds up the tests of each file. */
export function durationsOf(reports: readonly Duration[]): Durations {
  const sums: Durations = {};
  for (const { file, ms } of reports) {
    const name = relative(".", file);
    sums[name] = Math.round((sums[name] ?? 0) + ms);
  }
  return sums;
}

/**
 * Slow files first, so that the run does not end with one slow file beside idle cores. A file that never ran
 * comes before all others when the file is one of the tests below test/, which start real processes, and last
 * otherwise.
 */
export function slowestFirst(files: readonly string[], durations: Durations): string[] {
  const expected = (file: string) =>
    durations[file] ?? (file.startsWith("test/") ? Number.POSITIVE_INFINITY : 0);
  return [...files].sort((a, b) => {
    const [x, y] = [expected(a), expected(b)];
    return x === y ? a.localeCompare(b) : y - x;
  });
}

/** Lines for the end of a long run; none for a short one. */
export function slowestLines(durations: Durations): string[] {
  const rows = Object.entries(durations).sort(([, a], [, b]) => b - a);
  const total = rows.reduce((sum, [, ms]) => sum + ms, 0);
  if (total < WORTH_SHOWING_MS) return [];
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`.padStart(8);
  return [
    `slowest of ${rows.length} test files, which took ${seconds(total).trim()} together:`,
    ...rows.slice(0, SHOWN).map(([file, ms]) => `${seconds(ms)}  ${file}`),
  ];
}
