/**
 * Finds the tests that a change can touch, for `npm test -- --changed`.
 *
 * The files of the repository form a graph: a file uses another file when the text of the first file names
 * the second one, as an import, as a path relative to the first file, or as a path relative to the root of
 * the repository. A test is affected when the test uses a changed file, directly or through other files.
 * Names are taken from every string literal, so the graph has too many edges rather than too few.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path/posix";

/** A change of one of these files can change every test. */
const EVERYTHING = ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "tools/test.ts"];
const SOURCE = /\.(ts|tsx|mjs|js|sh|yml|yaml|json)$/;
/** Paths in quotes, in backticks, or as words of a command (`exec node server/src/main.ts`). */
const NAME = /["'`]([^"'`\n$]+)["'`]|([\w@./-]+\/[\w./-]+)/g;

/** Which files use which, all as paths relative to the root of the repository. */
export class FileGraph {
  readonly #users = new Map<string, Set<string>>();

  /** @param files every file of the repository, with its text where the text can name other files */
  constructor(
    files: ReadonlyMap<string, string | undefined>,
    packages: ReadonlyMap<string, string> = new Map(),
  ) {
    const folders = new Map<string, string[]>();
    for (const file of files.keys()) {
      for (let folder = dirname(file); folder !== "."; folder = dirname(folder)) {
        folders.set(folder, [...(folders.get(folder) ?? []), file]);
      }
    }
    for (const [file, text] of files) {
      if (text === undefined) continue;
      for (const [, quoted, word] of text.matchAll(NAME)) {
        const name = quoted ?? word ?? "";
        const candidates = [packages.get(name), join(dirname(file), name), normalize(name)];
        for (const candidate of candidates) {
          const used = candidate?.replace(/\/$/, "");
          if (used === undefined || used === file) continue;
          if (files.has(used)) this.#add(file, used);
          // A folder is used with everything in it. A single word is more often a word than the name of a
          // folder.
          else if (/[/.]/.test(name) && !file.startsWith(`${used}/`)) {
            for (const inner of folders.get(used) ?? []) this.#add(file, inner);
          }
        }
      }
    }
  }

  #add(user: string, used: string): void {
    const users = this.#users.get(used) ?? new Set();
    this.#users.set(used, users.add(user));
  }

  /** These files and every file that uses one of them, directly or not. */
  affectedBy(changed: Iterable<string>): Set<string> {
    const found = new Set<string>();
    const queue = [...changed];
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      if (found.has(file)) continue;
      found.add(file);
      queue.push(...(this.#users.get(file) ?? []));
    }
    return found;
  }
}

/**
 * Returns the test files among `tests` that a change since the branch left `main` can touch, and the number
 * of changed files. Changes that are not committed, and files that git does not know yet, count too.
 *
 * @param root the repository's folder
 * @throws Error when git cannot compare
 */
export function changedTests(root: string, tests: readonly string[]): { changed: number; tests: string[] } {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
      stdio: ["ignore", "pipe", "pipe"],
    })
      .split("\n")
      .filter(Boolean);
  const base = baseOf(git);
  const changed = [...git("diff", "--name-only", base), ...git("ls-files", "--others", "--exclude-standard")];
  if (changed.some((file) => EVERYTHING.includes(file)))
    return { changed: changed.length, tests: [...tests] };
  const names = git("ls-files", "--cached", "--others", "--exclude-standard");
  const files = new Map(names.map((file) => [file, textOf(join(root, file), file)]));
  const affected = new FileGraph(files, packageExports(root, files)).affectedBy(changed);
  return { changed: changed.length, tests: tests.filter((test) => affected.has(normalize(test))) };
}

/** The commit where this branch left the main branch; on the main branch itself, the last commit. */
function baseOf(git: (...args: string[]) => string[]): string {
  for (const branch of ["origin/main", "main"]) {
    try {
      const [base] = git("merge-base", "HEAD", branch);
      if (base !== undefined) return base;
    } catch {
      // The clone has no such branch.
    }
  }
  return "HEAD";
}

function textOf(path: string, file: string): string | undefined {
  if (!SOURCE.test(file) || !existsSync(path) || statSync(path).size > 1_000_000) return undefined;
  return readFileSync(path, "utf8");
}

/** `@odin-ws/server/metrics` → `server/src/metrics.ts`, for every package of the workspace. */
function packageExports(root: string, files: ReadonlyMap<string, string | undefined>): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of files.keys()) {
    if (!/^[\w-]+\/package\.json$/.test(file) || !existsSync(join(root, file))) continue;
    const { name, exports = {} } = JSON.parse(readFileSync(join(root, file), "utf8")) as {
      name?: string;
      exports?: Record<string, string>;
    };
    for (const [path, target] of Object.entries(exports)) {
      if (name !== undefined) found.set(join(name, path), join(dirname(file), target));
    }
  }
  return found;
}
