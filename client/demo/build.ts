/**
 * Builds the demo page when its sources have changed since, and prints the folder that it is in: `dist/<hash of the sources>`. Takes a few
 * seconds then, and next to no time otherwise.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
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
  if (!existsSync(path)) return [];
  const entries = readdirSync(dirname(path), { withFileTypes: true });
  if (entries.find((entry) => join(entry.parentPath, entry.name) === path)?.isFile()) return [path];
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
  const { build: bundle } = await import("vite");
  // Somebody else may be building too: whoever is done first puts it in its place.
  const mine = `${folder}.${process.pid}`;
  await bundle({
    configFile: join(DEMO, "../vite.config.ts"),
    logLevel: "warn",
    build: { outDir: mine },
  });
  try {
    renameSync(mine, folder);
  } catch (error) {
    if (!existsSync(join(folder, "index.html"))) throw error;
    rmSync(mine, { recursive: true });
  }
  for (const name of readdirSync(DIST)) {
    // A gateway has read its page long since; only what others are building stays.
    if (/^[0-9a-f]{16}$/.test(name) && join(DIST, name) !== folder)
      rmSync(join(DIST, name), { recursive: true, force: true });
  }
  process.stderr.write(`built the demo page in ${((performance.now() - started) / 1_000).toFixed(1)} s\n`);
  return folder;
}

if (import.meta.main) process.stdout.write(await build());
