/** The first process of a load test: reads the options, runs, writes the report. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { HELP, type Options, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { reportHtml } from "./report-html.ts";
import type { Result } from "./result.ts";
import { Run } from "./run.ts";
import { summaryText } from "./summary.ts";

const EXIT = { passed: 0, failed: 1, impossible: 2, stopped: 130 } as const;
/** npm passes a Ctrl-C on that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL = 200; // ms

/** Aborts at the first Ctrl-C or SIGTERM; another one ends the process at once. */
function untilSignal(atOnce: () => void): AbortSignal {
  const controller = new AbortController();
  let first: number | undefined;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      first ??= performance.now();
      if (performance.now() - first > SAME_SIGNAL) {
        atOnce();
        process.exit(EXIT.stopped);
      }
      controller.abort();
    });
  }
  return controller.signal;
}

function write(result: Result, folder: string): { html: string; json: string } {
  mkdirSync(folder, { recursive: true });
  const stamp = result.startedAt.slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  const path = join(resolve(folder), `${result.scenario}-${stamp}`);
  const [html, json] = [`${path}.html`, `${path}.json`];
  writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(html, reportHtml(result));
  return { html, json };
}

async function load(options: Options, entry: string): Promise<number> {
  // Found out now, not after an hour of load.
  mkdirSync(options.out, { recursive: true });
  const progress = new Progress();
  let run: Run | undefined;
  const stop = untilSignal(() => {
    progress.end();
    run?.kill();
  });
  run = new Run(options, entry, progress, stop);
  const result = await run.go().finally(() => progress.end());
  const { html, json } = write(result, options.out);
  process.stdout.write(`${summaryText(result)}\n\nReport: ${html}\n        ${json}\n`);
  return EXIT[result.outcome];
}

/** Ends only when everything written has left, also into a pipe. */
function end(code: number): void {
  process.stdout.write("", () => process.exit(code));
}

/** @param entry the file that runs a worker when `ODIN_LOADTEST_WORKER` is set */
export async function main(entry: string): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === "help") {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  if ("problems" in options) {
    for (const problem of options.problems) process.stderr.write(`${problem}\n`);
    process.exitCode = EXIT.impossible;
    return;
  }
  try {
    end(await load(options, entry));
  } catch (error) {
    process.stderr.write(`the load test could not run: ${(error as Error).message}\n`);
    end(EXIT.impossible);
  }
}
