/**
 * Builds the demo page if its sources have changed since the last build, which takes a few seconds, and
 * prints the page's folder: `dist/<hash of the sources>`. Several builds may run at the same time. An
 * interrupted build leaves no files.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const DEMO = dirname(fileURLToPath(import.meta.url));
const ROOT = join(DEMO, "../..");
const DIST = join(DEMO, "dist");
/** All sources of the page. The lockfile stands for the packages. */
const SOURCES = [
  "client/demo",
  "client/src",
  "client/package.json",
  "client/vite.config.ts",
  "protocol/src",
  "package-lock.json",
];
/** How long old pages are kept: a running gateway reads its page again when it restarts a worker. */
const KEPT_MS = 24 * 60 * 60_000; // 1 day

/**
 * Returns a hash of these files and folders, without tests and build results. Paths are relative to `root`.
 */
export function hashOf(root: string, sources: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of sources.flatMap((source) => filesOf(join(root, source))).sort()) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

function filesOf(path: string): string[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  if (found.isFile()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "dist" || entry.name === "node_modules" || entry.name.includes(".test.")) return [];
    return entry.isDirectory() ? filesOf(join(path, entry.name)) : [join(path, entry.name)];
  });
}

/** Builds the page if necessary, and returns its folder. */
async function build(): Promise<string> {
  const folder = join(DIST, hashOf(ROOT, SOURCES));
  if (existsSync(join(folder, "index.html"))) return folder;
  const started = performance.now();
  process.stderr.write("building the demo page …\n");
  // Another process may be building, too: the first one that finishes moves its result into place.
  const mine = `${folder}.${process.pid}`;
  const clear = () => rmSync(mine, { recursive: true, force: true });
  process.once("exit", clear);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));
  const { build: bundle } = await import("vite");
  await bundle({
    configFile: join(DEMO, "../vite.config.ts"),
    logLevel: "warn",
    build: { outDir: mine },
  });
  try {
    renameSync(mine, folder);
  } catch (error) {
    if (!existsSync(join(folder, "index.html"))) throw error;
  }
  tidy(folder);
  process.stderr.write(`built the demo page in ${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
  return folder;
}

/** Removes pages of old sources, and files of builds that were killed. */
function tidy(current: string): void {
  for (const name of readdirSync(DIST)) {
    const path = join(DIST, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN);
    if (path !== current && age > KEPT_MS) rmSync(path, { recursive: true, force: true });
  }
}

if (import.meta.main) process.stdout.write(await build());
