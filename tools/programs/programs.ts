import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { fetchFrom } from "./sources.ts";
import { PROGRAMS, type ProgramName, type ProgramRow } from "./table.ts";

const VERSION_LIMIT = 10_000; // 10 s for a program to print its version on a busy machine

/** How `obtain` works; each has a default. */
export interface ObtainOptions {
  /** Where PATH and ODIN_TOOLS are read; default: this process's. */
  env?: NodeJS.ProcessEnv;
  /** Gives up when it fires. */
  signal?: AbortSignal;
  /** Milliseconds without an answer or a byte after which a download has failed; default 8 s. */
  stall?: number;
  /** Gets a line before something that takes minutes. Default: to stderr. */
  tell?: (line: string) => void;
  /** Folder of the modules that Go programs are built in. Default: tools/modules. */
  modules?: string;
}

/** A program's path, or one line that says that it is missing, why, and how to get it. */
export type Obtained = { path: string } | { missing: string };

/**
 * The path of a program that is here and new enough: on PATH, else in the user's tools cache; undefined where neither
 * has it. Downloads nothing and is synchronous, so that a test file can decide while it loads whether to skip.
 */
export function findProgram(name: ProgramName): string | undefined {
  return findRow(rowOf(name, PROGRAMS));
}

/** The path of a program, downloaded into the user's tools cache where need be; undefined where it cannot be had. */
export async function program(name: ProgramName): Promise<string | undefined> {
  const obtained = await obtain(rowOf(name, PROGRAMS));
  return "path" in obtained ? obtained.path : undefined;
}

/** The reason to give when a test is skipped because `findProgram` found nothing: one line, which and how to get it. */
export function howToGet(name: ProgramName): string {
  return `needs ${name}: \`npm run programs\` gets it, or ${handInstruction(rowOf(name, PROGRAMS), process.env)}`;
}

/** The folder that downloaded programs live in; outside the repository, shared by all clones. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.ODIN_TOOLS || join(homedir(), ".cache", "odin-tools"), "bin");
}

/** As `findProgram`, for any row and environment. */
export function findRow(row: ProgramRow, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return candidates(row, env).find((path) => problemOf(path, row, env) === undefined);
}

/** Where the program may be already: PATH in its order, then the cache. */
function candidates(row: ProgramRow, env: NodeJS.ProcessEnv): string[] {
  const folders = [...(env.PATH ?? "").split(delimiter).filter(isAbsolute), cacheFolder(env)];
  return [...new Set(folders)].map((folder) => join(folder, row.name)).filter((path) => existsSync(path));
}

/** As `program`, for any row and environment, and with the reason where the program cannot be had. */
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

/** Gets the program in a folder beside the cache, then renames it in: whoever looks meanwhile sees all of it or nothing. */
async function install(
  row: ProgramRow,
  source: ProgramRow["sources"][number],
  options: ObtainOptions & { env: NodeJS.ProcessEnv },
): Promise<string> {
  const { env } = options;
  const cache = cacheFolder(env);
  await mkdir(cache, { recursive: true });
  // Beside the cache and not in the system's temp folder: a rename is atomic only inside one file system.
  const folder = await mkdtemp(join(dirname(cache), `${row.name}-`));
  try {
    const fetched = await fetchFrom(source, row.name, { tell: console.error, ...options, folder });
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

/** Why the file at `path` will not do as this program; undefined where it will. */
function problemOf(path: string, row: ProgramRow, env: NodeJS.ProcessEnv): string | undefined {
  try {
    if (!statSync(path).isFile()) return "not a file";
    accessSync(path, constants.X_OK);
  } catch {
    return "not executable";
  }
  const run = spawnSync(path, row.versionArguments, { encoding: "utf8", env, timeout: VERSION_LIMIT });
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
  throw new Error(`no program named '${name}' here; known: ${table.map((known) => known.name).join(", ")}`);
}

/**
 * The command line: prints the path of each named program (all where none is named), or the line that says why it is
 * missing. Returns the exit code: 2 for an unknown name, 1 where one is missing under CI=true, else 0.
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
