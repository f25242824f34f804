/** The first process of a load test: reads the options, runs, writes the report. */

import { summaryText } from "./report/summary.ts";
import { prepare } from "./run/prepare.ts";
import { Progress } from "./run/progress.ts";
import { Run } from "./run/run.ts";
import { WorkerPool } from "./run/worker-pool.ts";
import { exceededLimits, machineLimits } from "./settings/limits.ts";
import { HELP, type Options, readOptions } from "./settings/options.ts";
import { checkReportFolder } from "./settings/report-folder.ts";

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

async function load(options: Options, entry: string): Promise<number> {
  const stages = options.scenario === "throughput" ? options.rates.length : 1;
  checkReportFolder(options.out, options.seconds * stages);
  const progress = new Progress();
  let run: Run | undefined;
  const stop = untilSignal(() => {
    progress.end();
    run?.kill();
  });
  const stopped = new Promise<"stopped">((resolve) =>
    stop.addEventListener("abort", () => resolve("stopped")),
  );
  const prepared = await Promise.race([prepare(options), stopped]);
  if (prepared === "stopped") return EXIT.stopped;
  run = new Run(
    options,
    prepared,
    (onSample) => new WorkerPool(entry, options.workers, onSample),
    progress,
    stop,
  );
  const result = await run.go().finally(() => progress.end());
  process.stdout.write(`${summaryText(result)}\n\n`);
  // The report's modules are loaded only now, because loading them earlier would delay the load.
  const { writeReport } = await import("./report/report-files.ts");
  const { html, json, warning } = writeReport(result, options.out);
  process.stdout.write(`Report: ${html}\n        ${json}\n`);
  if (warning !== undefined) process.stderr.write(`${warning}\n`);
  return EXIT[result.outcome];
}

/** Exits after all output is written, also to a pipe. */
function end(code: number): void {
  process.stdout.write("", () => process.exit(code));
}

/** @param entry the file that runs as a worker when `ODIN_LOADTEST_WORKER` is set */
export async function main(entry: string): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === "help") {
    process.stdout.write(`${HELP}\n`);
    return;
  }
  const problems = "problems" in options ? options.problems : exceededLimits(options, machineLimits());
  if ("problems" in options || problems.length > 0) {
    for (const problem of problems) process.stderr.write(`${problem}\n`);
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
