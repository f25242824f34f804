/**
 * Builds the demo page when its sources have changed since, and prints the folder that it is in: `dist/<hash of the sources>`. Takes a few
 * seconds then, and next to no time otherwise. Several may run at once; one that is interrupted leaves nothing.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const DEMO = dirname(fileURLToPath(import.meta.url));
const ROOT = join(DEMO, "../..");
const DIST = join(DEMO, "dist");
/** Everything that the page is made from, beside packages: those stand in the lockfile. */
const SOURCES = [
  "client/demo",
  "client/src",
  "client/package.json",
  "client/vite.config.ts",
  "protocol/src",
  "package-lock.json",
];
/** A gateway that runs may read its page again, for a worker that it starts anew: pages stay for so long, in milliseconds. */
const KEPT = 24 * 60 * 60_000; // 1 day

/** A name for the content of these files and folders, tests and what was built left out. Paths are below `root`. */
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

/** Returns the folder with the page. */
async function build(): Promise<string> {
  const folder = join(DIST, hashOf(ROOT, SOURCES));
  if (existsSync(join(folder, "index.html"))) return folder;
  const started = performance.now();
  process.stderr.write("building the demo page …\n");
  // Somebody else may be building too: whoever is done first puts it in its place.
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

/** Removes pages of old sources, and what was left by those who were killed. */
function tidy(current: string): void {
  for (const name of readdirSync(DIST)) {
    const path = join(DIST, name);
    const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN);
    if (path !== current && age > KEPT) rmSync(path, { recursive: true, force: true });
  }
}

if (import.meta.main) process.stdout.write(await build());
