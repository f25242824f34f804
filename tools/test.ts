import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { runChild } from "./child.ts";
import type { NotRun, Report } from "./count-reporter.ts";
import { cacheFolder, obtain } from "./programs/programs.ts";
import { PROGRAMS } from "./programs/table.ts";

// `npm test`: the programs that tests run against, the linter, the type check and every test below the working folder.
//   npm test -- [--long] [node --test options, as --name=value] [test files or folders]
// `--long` (npm run test:long) runs the tests in test/long instead, and no checks.

const LONG = "test/long";
const CONCURRENCY = 2; // test files at a time: many start a gateway and a NATS server, and measure time
const TEST_LIMIT = 120_000; // 2 min for one test that sets no timeout of its own
const LONG_TEST_LIMIT = 900_000; // 15 min for one in test/long
// All test files together. node's own limit is for each test: a file that a handle keeps open would hang for ever.
const RUN_LIMIT = 1_800_000; // 30 min
const LONG_RUN_LIMIT = 2_400_000; // 40 min
const PARENT_LOOK = 500; // ms between two looks whether npm is still there

/** What one run came to. */
interface Tally {
  passed: number;
  failed: number;
  notRun: NotRun[];
}

/** What every stage of a run needs. */
interface Context {
  env: NodeJS.ProcessEnv;
  folder: string;
  signal: AbortSignal;
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "odin-test-"));
  try {
    return await run(args, folder, signal);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the exit code; `folder` is for what lasts as long as the run. */
async function run(args: readonly string[], folder: string, signal: AbortSignal): Promise<number> {
  const long = args.includes("--long");
  const given = args.filter((arg) => arg !== "--long");
  const bin = join(folder, "bin");
  const missing = await linkPrograms(bin, signal);
  const path = [bin, process.env.PATH, cacheFolder()].join(delimiter);
  const context = { folder, signal, env: { ...process.env, PATH: path } };
  const failedChecks = long ? 0 : await check(context);
  const tally = await runTests(given, long, context);
  const failed = tally.failed + failedChecks + missing;

  const strict = process.env.CI === "true";
  for (const { name, file, reason } of tally.notRun) {
    const why = reason && ` (${reason})`;
    console.log(
      `${strict ? "not allowed under CI=true: " : ""}skipped: ${relative(".", file)}: ${name}${why}`,
    );
  }
  const skipped = tally.notRun.length;
  console.log(`${tally.passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failed > 0 || (strict && skipped > 0) ? 1 : 0;
}

/**
 * Gets what tests run against and links it into `bin`, which goes first on PATH, where an older one may be. Returns how
 * many count as failed: a program that is missing only skips its tests, except under CI=true.
 */
async function linkPrograms(bin: string, signal: AbortSignal): Promise<number> {
  mkdirSync(bin);
  let missing = 0;
  for (const row of PROGRAMS) {
    const obtained = await obtain(row, { signal });
    if ("path" in obtained) {
      symlinkSync(obtained.path, join(bin, row.name));
      continue;
    }
    console.error(obtained.missing);
    missing += 1;
  }
  return process.env.CI === "true" ? missing : 0;
}

/** The linter and the type check; returns how many of them failed. */
async function check({ env, signal }: Context): Promise<number> {
  let failed = 0;
  const colors = process.stdout.isTTY ? [] : ["--colors=off"]; // biome colours what goes into a file too
  for (const [command, ...args] of [
    ["biome", "ci", ...colors, "."],
    ["tsc", "--noEmit"],
    ["tsc", "--noEmit", "--project", "client/demo"], // a page has other types than Node
  ] as [string, ...string[]][]) {
    const { code } = await runChild(join("node_modules", ".bin", command), args, { env, signal });
    if (code === 0) continue;
    failed += 1;
    console.error(`${command} failed with exit code ${code}: ${[command, ...args].join(" ")}`);
  }
  return failed;
}

async function runTests(given: readonly string[], long: boolean, context: Context): Promise<Tally> {
  const paths = given.filter((arg) => existsSync(arg));
  const options = given.filter((arg) => !existsSync(arg));
  const files = (paths.length > 0 ? paths : [long ? LONG : "."]).flatMap((path) => testFiles(path, long));
  if (files.length === 0) {
    console.log(long ? `no tests in ${LONG} yet` : `no *.test.ts below ${paths.join(", ") || "."}`);
    return { passed: 0, failed: long ? 0 : 1, notRun: [] };
  }
  const counts = join(context.folder, "counts.jsonl");
  const runner = [
    "--test",
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${long ? LONG_TEST_LIMIT : TEST_LIMIT}`,
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    `--test-reporter=${import.meta.resolve("./count-reporter.ts")}`,
    `--test-reporter-destination=${counts}`,
    ...options, // last, so that what a person asks for wins
  ];
  const limit = AbortSignal.timeout(long ? LONG_RUN_LIMIT : RUN_LIMIT);
  const { code, leftBehind } = await runChild(process.execPath, [...runner, ...files], {
    env: context.env,
    signal: AbortSignal.any([context.signal, limit]),
  });
  if (limit.aborted)
    console.error("the tests took too long and were stopped: node names above what was running");
  for (const line of leftBehind) console.error(`killed, a test left it running: ${line.slice(0, 200)}`);
  return tallyOf(counts, code);
}

function testFiles(path: string, long: boolean): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return [path];
  const exclude = ["**/node_modules", "**/dist", ...(long ? [] : [`**/${LONG}`])];
  return globSync(join(path, "**/*.test.ts"), { exclude }).sort();
}

/** Reads what count-reporter.ts wrote; a run that ended before its summary has failed, whatever it counted. */
function tallyOf(file: string, code: number): Tally {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const reports = lines.map((line) => JSON.parse(line) as Report);
  const notRun = reports.flatMap((report) => ("notRun" in report ? [report.notRun] : []));
  const counts = reports.flatMap((report) => ("counts" in report ? [report.counts] : [])).at(-1);
  if (!counts) {
    console.error(`node --test ended with exit code ${code} before its summary`);
    return { passed: 0, failed: 1, notRun };
  }
  // Exit code without a failed test: a file that could not be loaded, or a coverage threshold missed.
  return { passed: counts.passed, failed: counts.failed === 0 && code !== 0 ? 1 : counts.failed, notRun };
}

const stop = new AbortController();
let exitCode: number | undefined;
const stopBy = (name: "SIGINT" | "SIGTERM" | "SIGHUP") => {
  exitCode ??= 128 + constants.signals[name];
  stop.abort(new Error(`stopped by ${name}`));
};
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stopBy);
if (process.env.npm_lifecycle_event) {
  // npm passes a SIGTERM on only to the shell between it and this process, which ends without passing it on.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stopBy("SIGTERM"), PARENT_LOOK).unref();
}
const result = await main(process.argv.slice(2), stop.signal);
process.exitCode = exitCode ?? result;
