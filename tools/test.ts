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
import { availableParallelism, constants, tmpdir } from "node:os";
import { delimiter, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cacheFolder, obtain } from "./programs/programs.ts";
import { PROGRAMS } from "./programs/table.ts";
import { changedTests } from "./testing/changed.ts";
import { runChild } from "./testing/child.ts";
import {
  type Durations,
  durationsOf,
  loadDurations,
  saveDurations,
  slowestFirst,
  slowestLines,
} from "./testing/durations.ts";
import { groupsOf } from "./testing/groups.ts";
import type { NotRun, Report } from "./testing/reporter.ts";
import type { Run } from "./testing/runner.ts";

const USAGE = `Usage: npm test -- [options] [test files or folders]

First installs the programs that tests need. Then runs the linter, the type check and every test below the
working folder.

  --changed                    only the tests that the changes since the main branch can touch
  --long                       only the slow tests in test/long, without the checks (npm run test:long)
  --test-name-pattern PATTERN  only tests whose names match this regular expression
  --test-timeout MS            limit of one test that sets none of its own, in milliseconds
  --help                       shows this text`;

const LONG = "test/long";
/** Kept between runs, and safe to delete: compiled sources, checked types, how long each test file took. */
const CACHE = resolve("node_modules/.cache/odin-ws");
const DURATIONS = join(CACHE, "test-durations.json");
/**
 * Test files at a time: one more than cores, because many tests wait for a process or a timer most of their
 * time. With twice as many files as cores, tests with deadlines fail.
 */
const CONCURRENCY = Math.max(2, availableParallelism()) + 1;
const TEST_LIMIT_MS = 120_000; // 2 min for one test that sets no timeout of its own
const LONG_TEST_LIMIT_MS = 900_000; // 15 min for one test in test/long
// Limits for all test files together. Node has only a limit for each test, so a file whose tests have ended
// would hang forever when an open handle keeps its process alive.
const RUN_LIMIT_MS = 1_800_000; // 30 min
const LONG_RUN_LIMIT_MS = 2_400_000; // 40 min
const PARENT_POLL_MS = 500; // time between two checks that npm still runs

/** Results of one run. */
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

/** What the command line asks for. */
interface Asked {
  help: boolean;
  long: boolean;
  changed: boolean;
  /** Test files and folders; empty for all. */
  paths: string[];
  namePattern: string | undefined;
  /** Milliseconds. */
  timeout: number | undefined;
}

/** @throws Error that names an unknown option, a path that does not exist, or a wrong number */
function parse(args: readonly string[]): Asked {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: "boolean", default: false },
      long: { type: "boolean", default: false },
      changed: { type: "boolean", default: false },
      "test-name-pattern": { type: "string" },
      "test-timeout": { type: "string" },
    },
  });
  const missing = positionals.filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Error(`no such file or folder: ${missing.join(", ")}`);
  const timeout = values["test-timeout"];
  if (timeout !== undefined && !/^[1-9]\d{0,8}$/.test(timeout)) {
    throw new Error(
      `--test-timeout must be a number of milliseconds from 1 to 999999999, not ${JSON.stringify(timeout)}`,
    );
  }
  return {
    help: values.help,
    long: values.long,
    changed: values.changed,
    paths: positionals,
    namePattern: values["test-name-pattern"],
    timeout: timeout === undefined ? undefined : Number(timeout),
  };
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "odin-test-"));
  try {
    return await run(args, folder, signal);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Returns the exit code; `folder` is for files that are needed as long as the run lasts. */
async function run(args: readonly string[], folder: string, signal: AbortSignal): Promise<number> {
  let asked: Asked;
  try {
    asked = parse(args);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
  if (asked.help) {
    console.log(USAGE);
    return 0;
  }
  const { long } = asked;
  const bin = join(folder, "bin");
  const missing = await linkPrograms(bin, signal);
  const path = [bin, process.env.PATH, cacheFolder()].join(delimiter);
  // Tests start hundreds of processes, and each of them would compile the same sources again.
  const env = { ...process.env, PATH: path, NODE_COMPILE_CACHE: join(CACHE, "compiled") };
  const context = { folder, signal, env };
  const failedChecks = long ? 0 : await check(context);
  const tally = await runTests(asked, context);
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
 * Gets the programs that tests run against and links them into `bin`. `bin` comes first on PATH, because
 * another folder on PATH may have an older version. Returns the number of programs that count as failed: a
 * missing program only skips its tests, except under CI=true.
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

/** Arguments of a type check that keeps its result, so that the next one checks only what has changed. */
function typeCheck(name: string): string[] {
  return ["--noEmit", "--incremental", "--tsBuildInfoFile", join(CACHE, `types-of-${name}.tsbuildinfo`)];
}

/** Runs the linter and the type check at the same time; returns how many of them failed. */
async function check({ env, signal }: Context): Promise<number> {
  const colors = process.stdout.isTTY ? [] : ["--colors=off"]; // biome colours its output to a file too
  const commands: [string, ...string[]][] = [
    ["biome", "ci", ...colors, "."],
    ["tsc", ...typeCheck("node")],
    ["tsc", ...typeCheck("page"), "--project", "client/demo"], // a page has other types than Node
  ];
  const codes = await Promise.all(
    commands.map(async ([command, ...args]) => {
      const { code } = await runChild(join("node_modules", ".bin", command), args, { env, signal });
      if (code !== 0)
        console.error(`${command} failed with exit code ${code}: ${[command, ...args].join(" ")}`);
      return code;
    }),
  );
  return codes.filter((code) => code !== 0).length;
}

async function runTests(asked: Asked, context: Context): Promise<Tally> {
  const { paths, long, changed, namePattern, timeout } = asked;
  const below = (paths.length > 0 ? paths : [long ? LONG : "."]).flatMap((path) => testFiles(path, long));
  if (below.length === 0) {
    console.log(long ? `no tests in ${LONG} yet` : `no *.test.ts below ${paths.join(", ") || "."}`);
    return { passed: 0, failed: long ? 0 : 1, notRun: [] };
  }
  const files = slowestFirst(changed ? onlyChanged(below) : below, loadDurations(DURATIONS));
  if (files.length === 0) return { passed: 0, failed: 0, notRun: [] };
  const limit = AbortSignal.timeout(long ? LONG_RUN_LIMIT_MS : RUN_LIMIT_MS);
  const signal = AbortSignal.any([context.signal, limit]);
  const total: Tally = { passed: 0, failed: 0, notRun: [] };
  const durations: Durations = {};
  const groups = groupsOf(files, CONCURRENCY);
  for (const [index, group] of groups.entries()) {
    const reports = join(context.folder, `reports-${index}.jsonl`);
    const limitMs = timeout ?? (long ? LONG_TEST_LIMIT_MS : TEST_LIMIT_MS);
    const run: Run = { ...group, timeout: limitMs, namePattern, reports };
    const runner = [fileURLToPath(import.meta.resolve("./testing/runner.ts")), JSON.stringify(run)];
    const { code, leftBehind } = await runChild(process.execPath, runner, { env: context.env, signal });
    for (const line of leftBehind)
      console.error(`killed a process that a test left running: ${line.slice(0, 200)}`);
    const tally = tallyOf(reports, code);
    total.passed += tally.passed;
    total.failed += tally.failed;
    total.notRun.push(...tally.notRun);
    Object.assign(durations, tally.durations);
  }
  if (limit.aborted)
    console.error(
      "the tests took too long and were stopped: the lines above name the tests that were running",
    );
  // A run that was stopped has cut its tests short.
  if (!signal.aborted) saveDurations(DURATIONS, durations);
  for (const line of slowestLines(durations)) console.log(line);
  return total;
}

function onlyChanged(files: readonly string[]): string[] {
  const { changed, tests } = changedTests(".", files);
  console.log(`--changed: ${changed} changed files can touch ${tests.length} of ${files.length} test files`);
  return tests;
}

function testFiles(path: string, long: boolean): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return [path];
  const exclude = ["**/node_modules", "**/dist", ...(long ? [] : [`**/${LONG}`])];
  return globSync(join(path, "**/*.test.ts"), { exclude }).sort();
}

/**
 * Reads the output of testing/reporter.ts. A run that ended before its summary has failed, whatever the
 * output counts.
 */
function tallyOf(file: string, code: number): Tally & { durations: Durations } {
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const reports = lines.map((line) => JSON.parse(line) as Report);
  const notRun = reports.flatMap((report) => ("notRun" in report ? [report.notRun] : []));
  const counts = reports.flatMap((report) => ("counts" in report ? [report.counts] : [])).at(-1);
  const durations = durationsOf(reports.flatMap((report) => ("duration" in report ? [report.duration] : [])));
  if (!counts) {
    console.error(`node --test ended with exit code ${code} before its summary`);
    return { passed: 0, failed: 1, notRun, durations };
  }
  // The runner can fail although no test failed, for example when it is killed after its summary.
  const failed = counts.failed === 0 && code !== 0 ? 1 : counts.failed;
  return { passed: counts.passed, failed, notRun, durations };
}

const stop = new AbortController();
let exitCode: number | undefined;
const stopBy = (name: "SIGINT" | "SIGTERM" | "SIGHUP") => {
  exitCode ??= 128 + constants.signals[name];
  stop.abort(new Error(`stopped by ${name}`));
};
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stopBy);
if (process.env.npm_lifecycle_event) {
  // npm sends a SIGTERM only to the shell between npm and this process, and that shell ends without sending
  // the signal on.
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && stopBy("SIGTERM"), PARENT_POLL_MS).unref();
}
const result = await main(process.argv.slice(2), stop.signal);
process.exitCode = exitCode ?? result;
