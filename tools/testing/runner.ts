/**
 * Runs test files in the given order, which the command line of node does not: `node --test` sorts its files
 * by name.
 *
 *   node tools/testing/runner.ts RUN    RUN is a Run as JSON
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import machineReporter from "./reporter.ts";

/**
 * A larger young generation halves the time that test files spend on garbage collection, above all those that
 * run Pulumi programs. Processes that a test starts do not get this option.
 */
const NODE_OPTIONS = ["--max-semi-space-size=32"];

/** What is run, and how. */
export interface Run {
  /** In the order in which they start. */
  files: string[];
  /** Test files at a time. */
  concurrency: number;
  /** Milliseconds for one test that sets no timeout of its own. */
  timeout: number;
  /** Only tests whose names match this regular expression. */
  namePattern?: string | undefined;
  /** Gets the output of reporter.ts. */
  reports: string;
}

if (import.meta.main) {
  const { files, concurrency, timeout, namePattern, reports } = JSON.parse(process.argv[2] ?? "") as Run;
  const events = run({
    files: files.map((file) => resolve(file)),
    concurrency,
    timeout,
    execArgv: NODE_OPTIONS,
    ...(namePattern === undefined ? {} : { testNamePatterns: [namePattern] }),
  });
  events.on("test:fail", ({ todo }) => {
    if (todo === undefined || todo === false) process.exitCode = 1;
  });
  const shown = events.pipe(new PassThrough({ objectMode: true })).compose(new spec());
  const kept = events.pipe(new PassThrough({ objectMode: true })).compose(machineReporter);
  shown.pipe(process.stdout);
  await once(kept.pipe(createWriteStream(reports)), "finish");
}
