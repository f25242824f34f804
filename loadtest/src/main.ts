/** The first process of a load test: reads the options, runs, writes the report. */

import { valuesOrExit } from "@odin-ws/settings/command-line";
import { untilSignal } from "@odin-ws/settings/signals";
import { summaryText } from "./report/summary.ts";
import { prepare } from "./run/prepare.ts";
import { Progress } from "./run/progress.ts";
import { Run } from "./run/run.ts";
import { WorkerPool } from "./run/worker-pool.ts";
import { COMMAND } from "./settings/command.ts";
import { exceededLimits, machineLimits } from "./settings/limits.ts";
import { type Options, readOptions } from "./settings/options.ts";
import { checkReportFolder } from "./settings/report-folder.ts";

const EXIT = { passed: 0, failed: 1, impossible: 2, stopped: 130 } as const;
async function load(options: Options, entry: string): Promise<number> {
  const stages = options.scenario === "throughput" ? options.rates.length : 1;
  checkReportFolder(options.out, options.seconds * stages);
  const progress = new Progress();
  let run: Run | undefined;
  const { signal, aborted: stop } = untilSignal({
    endAtOnce: () => {
      progress.end();
      run?.kill();
      process.exit(EXIT.stopped);
    },
  });
  const stopped = signal.then(() => "stopped" as const);
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
  const options = valuesOrExit(COMMAND, readOptions(process.argv.slice(2), process.env));
  const mistakes = exceededLimits(options, machineLimits());
  if (mistakes.length > 0) valuesOrExit(COMMAND, { mistakes });
  try {
    end(await load(options, entry));
  } catch (error) {
    process.stderr.write(`the load test could not run: ${(error as Error).message}\n`);
    end(EXIT.impossible);
  }
}
