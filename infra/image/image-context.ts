import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";

/** What an image is built from. */
export interface ImageSource {
  /** Folder with the sources and nothing else, from the current folder, with `/`. */
  context: string;
  /** From the current folder, with `/`. */
  dockerfile: string;
  /** Build arguments. */
  buildArgs: Record<string, string>;
  /** {@link contentVersion} of all of these. */
  version: string;
}

/** Where the sources of an image are. */
export interface ImageSourceArgs {
  /** Folder with the `.dockerignore`, which names what goes into the image, unless the Dockerfile has one of its own beside it. */
  root: string;
  /** From `root`, for example `server/Dockerfile`. */
  dockerfile: string;
  /** Build arguments; part of the version. Default: none. */
  buildArgs?: Record<string, string>;
}

/**
 * A short name of what an image is built from, 12 hex digits: it changes with the content of a file that reaches the builder, with the
 * Dockerfile and with a build argument, and with nothing else, be it the commit, the machine, times or modes.
 */
export function contentVersion({ root, dockerfile, buildArgs = {} }: ImageSourceArgs): string {
  const hash = createHash("sha256");
  const add = (name: string, content: Buffer | string) => {
    hash.update(`${name}\0${Buffer.byteLength(content)}\0`).update(content);
  };
  add("Dockerfile", readFileSync(join(root, dockerfile)));
  add("arguments", JSON.stringify(Object.entries(buildArgs).sort(byName)));
  for (const path of contextFiles(root, ignoreFile(root, dockerfile)))
    add(`file ${path}`, readFileSync(join(root, path)));
  return hash.digest("hex").slice(0, 12);
}

/**
 * Copies what an image is built from to `folder/VERSION`, each file with mode 0644. @pulumi/docker hashes the modes of the context too, and
 * of those git keeps only whether a file can be executed: the same commit, checked out with umask 002 here and 022 there, would be built and
 * rolled out again by whoever deploys next. The folder's name is the version, so two deployments at a time do not disturb each other.
 *
 * @param folder is made when missing; ignored by git
 */
export function prepareContext(args: ImageSourceArgs, folder: string): ImageSource {
  const { root, dockerfile, buildArgs = {} } = args;
  const version = contentVersion(args);
  const target = join(folder, version);
  if (!existsSync(target)) {
    mkdirSync(folder, { recursive: true });
    const partial = mkdtempSync(join(folder, ".partial-"));
    copy(join(root, dockerfile), join(partial, "Dockerfile"));
    for (const path of contextFiles(root, ignoreFile(root, dockerfile)))
      copy(join(root, path), join(partial, path));
    chmodSync(partial, 0o755);
    try {
      renameSync(partial, target);
    } catch (error) {
      rmSync(partial, { recursive: true });
      if (!existsSync(target)) throw error; // else another deployment was faster
    }
  }
  const context = relative(".", target).split(sep).join("/");
  return { context, dockerfile: `${context}/Dockerfile`, buildArgs, version };
}

function copy(from: string, to: string): void {
  const folder = dirname(to);
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o755 });
  writeFileSync(to, readFileSync(from));
  chmodSync(to, 0o644); // whatever the umask made of it
}

/** The Dockerfile's own `.dockerignore`, where it has one, as BuildKit picks it: `server/Dockerfile.dockerignore`. */
function ignoreFile(root: string, dockerfile: string): string {
  const own = `${dockerfile}.dockerignore`;
  return existsSync(join(root, own)) ? own : ".dockerignore";
}

/**
 * The files that an ignore file lets through to the builder, from `root`, sorted, with `/`. It has to be a list of what is allowed: `*`, then
 * `!path` lines, then patterns of what is left out of these. Anything else is refused, for two readers could take it for two things.
 */
export function contextFiles(root: string, ignore = ".dockerignore"): string[] {
  const { allowed, excluded } = parse(readFileSync(join(root, ignore), "utf8"), ignore);
  const isExcluded = (path: string) => excluded.some((pattern) => pattern.test(path));
  const walk = (path: string): string[] => {
    if (isExcluded(path)) return [];
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (!stat) throw new Error(`${path}, which ${ignore} lets through, is not in ${root}`);
    if (stat.isFile()) return [path];
    return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
      const below = posix.join(path, entry.name);
      if (entry.isSymbolicLink() && !isExcluded(below)) {
        throw new Error(
          `${below} is a symbolic link: an image is built from files. Exclude it in ${ignore}.`,
        );
      }
      return walk(below);
    });
  };
  return [...new Set(allowed.flatMap(walk))].sort();
}

function parse(text: string, name: string): { allowed: string[]; excluded: RegExp[] } {
  const allowed: string[] = [];
  const excluded: RegExp[] = [];
  let everything = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const refuse = (reason: string) => new Error(`${name}:${index + 1}: ${JSON.stringify(line)} ${reason}`);
    if (line === "" || line.startsWith("#")) continue;
    if (!everything) {
      if (line !== "*") {
        throw refuse("comes first, which has to be *: nothing is let through but what is named");
      }
      everything = true;
    } else if (line.startsWith("!")) {
      if (excluded.length > 0) {
        throw refuse("lets through what a line before may have left out: put it before that one");
      }
      if (!/^![\w.][\w./-]*$/.test(line)) throw refuse("has to be a plain path after the !");
      allowed.push(line.slice(1));
    } else if (/^[\w./*-]+$/.test(line)) {
      excluded.push(pattern(line));
    } else {
      throw refuse("is more than letters, digits and . - _ / * say");
    }
  }
  return { allowed, excluded };
}

/** A pattern of .dockerignore: `**` is any number of folders, `*` anything but `/`; what matches is left out with all below it. */
function pattern(line: string): RegExp {
  const source = line
    .split("/")
    .map((part) =>
      part === "**" ? "(?:[^/]+/)*" : `${part.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}/`,
    )
    .join("")
    .replace(/\/$/, "");
  return new RegExp(`^${source}(?:/|$)`);
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
