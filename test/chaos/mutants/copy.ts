/** A copy of the repository's sources, in which a mutant changes one file. */

import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { guardFolder } from "../../harness/watchdog.ts";
import type { Mutant } from "./mutants.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const OWN = "@odin-ws";

/** The text of a mutant's file with the fault. Throws when the text to replace does not occur once. */
export function mutated({ name, file, from, to }: Mutant): string {
  const parts = readFileSync(join(ROOT, file), "utf8").split(from);
  if (parts.length !== 2)
    throw new Error(`${name}: ${file} has ${parts.length - 1} times instead of once: ${from}`);
  return parts.join(to);
}

/** Copies the sources. Other packages are linked, so that a copy takes a second. Returns the folder. */
export function copySources(): string {
  const folder = mkdtempSync(join(tmpdir(), "odin-mutants-"));
  guardFolder(folder);
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const file of files.split("\0").filter((one) => /\.(ts|json)$/.test(one))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  const modules = join(ROOT, "node_modules");
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(modules)) {
    // Links of this repository's packages are relative: in the copy, they lead to the copy.
    const options = { verbatimSymlinks: true, recursive: true };
    if (name === OWN) cpSync(join(modules, name), join(folder, "node_modules", name), options);
    else symlinkSync(join(modules, name), join(folder, "node_modules", name));
  }
  return folder;
}

/** Puts a mutant into a copy. Returns a function that takes it out again. */
export function apply(folder: string, mutant: Mutant): () => void {
  const path = join(folder, mutant.file);
  writeFileSync(path, mutated(mutant));
  return () => cpSync(join(ROOT, mutant.file), path);
}
