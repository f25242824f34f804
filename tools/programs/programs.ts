import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fetchFrom } from "./sources.ts";
import { PROGRAMS, type ProgramName, type ProgramRow } from "./table.ts";

const VERSION_LIMIT_MS = 10_000; // 10 s for a program to print its version on a busy machine

/** Options of `obtain`. Each has a default. */
export interface ObtainOptions {
  /** Environment with PATH and ODIN_TOOLS. Default: the environment of this process. */
  env?: NodeJS.ProcessEnv;
  /** Cancels the download when it aborts. */
  signal?: AbortSignal;
  /** A download fails after this many milliseconds without an answer or a byte. Default 8000. */
  stall?: number;
  /** Receives a line before a step that takes minutes. Default: prints the line to stderr. */
  log?: (line: string) => void;
  /** Folder with the modules from which Go programs are built. Default: tools/modules. */
  modules?: string;
}

/** The path of a program, or one line that says why the program is missing and how to install it. */
export type Obtained = { path: string } | { missing: string };

/**
 * Looks for a program that is new enough, first on PATH and then in the user's tools cache. Returns its path,
 * or undefined when neither has the program. Downloads nothing and is synchronous, so that a test file can
 * decide at load time whether to skip its tests.
 */
export function findProgram(name: ProgramName): string | undefined {
  return findRow(rowOf(name, PROGRAMS));
}

/**
 * The path of a program, downloaded into the user's tools cache if necessary; undefined when it is not
 * available.
 */
export async function program(name: ProgramName): Promise<string | undefined> {
  const obtained = await obtain(rowOf(name, PROGRAMS));
  return "path" in obtained ? obtained.path : undefined;
}

/**
 * The reason to skip a test for which `findProgram` found nothing: one line that says how to install the
 * program.
 */
export function howToGet(name: ProgramName): string {
  return `needs ${name}: \`npm run programs\` installs it, or ${handInstruction(rowOf(name, PROGRAMS), process.env)}`;
}

/** The folder of downloaded programs. It is outside the repository, so that all clones share it. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.ODIN_TOOLS || join(homedir(), ".cache", "odin-tools"), "bin");
}

/** Like `findProgram`, for any row and environment. */
export function findRow(row: ProgramRow, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return candidates(row, env).find((path) => problemOf(path, row, env) === undefined);
}

/** Existing files that may be the program: on PATH, in its order, and then in the cache. */
function candidates(row: ProgramRow, env: NodeJS.ProcessEnv): string[] {
  const folders = [...(env.PATH ?? "").split(delimiter).filter(isAbsolute), cacheFolder(env)];
  return [...new Set(folders)].map((folder) => join(folder, row.name)).filter((path) => existsSync(path));
}

/** Like `program`, for any row and environment. Returns the reason when the program is not available. */
export async function obtain(row: ProgramRow, options: ObtainOptions = {}): Promise<Obtained> {
  const { env = process.env, signal } = options;
  const found = findRow(row, env);
  if (found) return { path: found };
  const unfit = candidates(row, env).map((path) => `${path}: ${problemOf(path, row, env)}`);
  const failures = unfit.length > 0 ? unfit : ["not on PATH or in the cache"];
  for (const source of row.sources) {
    try {
      return { path: await install(row, source, { ...options, env }) };
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      if (signal?.aborted) break;
    }
  }
  const line = `${row.name} is missing (${failures.join("; ")}): ${handInstruction(row, env)}`;
  return { missing: line.replaceAll(/\s+/g, " ") };
}

/**
 * Fetches the program into a folder beside the cache and then renames it into the cache, so that another
 * process sees the whole program or none.
 */
async function install(
  row: ProgramRow,
  source: ProgramRow["sources"][number],
  options: ObtainOptions & { env: NodeJS.ProcessEnv },
): Promise<string> {
  const { env } = options;
  const cache = cacheFolder(env);
  await mkdir(cache, { recursive: true });
  // The folder is not in the system's temp folder, because a rename is atomic only inside one file system.
  const folder = await mkdtemp(join(dirname(cache), `${row.name}-`));
  try {
    const fetched = await fetchFrom(source, row.name, { log: console.error, ...options, folder });
    await chmod(fetched, 0o755);
    const problem = problemOf(fetched, row, env);
    if (problem) throw new Error(`${row.name} from the ${source.kind}: ${problem}`);
    const path = join(cache, row.name);
    await rename(fetched, path);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Says why the file at `path` is not usable as this program; undefined when it is usable. */
function problemOf(path: string, row: ProgramRow, env: NodeJS.ProcessEnv): string | undefined {
  try {
    if (!statSync(path).isFile()) return "not a file";
    accessSync(path, constants.X_OK);
  } catch {
    return "not executable";
  }
  const run = spawnSync(path, row.versionArguments, { encoding: "utf8", env, timeout: VERSION_LIMIT_MS });
  if (run.error) return run.error.message;
  const version = `${run.stdout}${run.stderr}`.match(/\d+(\.\d+)+/)?.[0];
  if (run.status !== 0 || !version)
    return `${row.versionArguments.join(" ")} printed no version (exit ${run.status})`;
  return isAtLeast(version, row.minimum) ? undefined : `version ${version} is older than ${row.minimum}`;
}

function isAtLeast(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, "en", { numeric: true }) >= 0;
}

function handInstruction(row: ProgramRow, env: NodeJS.ProcessEnv): string {
  return `install ${row.name} ${row.minimum} or later by hand, on PATH or in ${cacheFolder(env)}: ${row.byHand}`;
}

function rowOf(name: string, table: readonly ProgramRow[]): ProgramRow {
  const row = table.find((candidate) => candidate.name === name);
  if (row) return row;
  throw new Error(
    `no program is named '${name}'; known programs: ${table.map((known) => known.name).join(", ")}`,
  );
}

/**
 * The command line. For each named program, or for all programs when the command names none, prints the
 * program's path or the line that says why the program is missing. Returns the exit code: 2 for an unknown
 * name, 1 when a program is missing and CI is `true`, else 0.
 */
export async function main(
  names: readonly string[],
  table: readonly ProgramRow[] = PROGRAMS,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  let rows: ProgramRow[];
  try {
    rows = names.length > 0 ? names.map((name) => rowOf(name, table)) : [...table];
  } catch (error) {
    console.error(`programs: ${error instanceof Error ? error.message : error}`);
    return 2;
  }
  let code = 0;
  for (const row of rows) {
    const obtained = await obtain(row, { env });
    console.log("path" in obtained ? obtained.path : obtained.missing);
    if ("missing" in obtained && env.CI === "true") code = 1;
  }
  return code;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
