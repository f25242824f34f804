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

/** The inputs of an image's build. */
export interface ImageSource {
  /** Folder with the sources and nothing else, relative to the current folder, with `/`. */
  context: string;
  /** Path relative to the current folder, with `/`. */
  dockerfile: string;
  /** Build arguments. */
  buildArgs: Record<string, string>;
  /** {@link contentVersion} of these inputs. */
  version: string;
}

/** Where the sources of an image are. */
export interface ImageSourceArgs {
  /**
   * Folder with the `.dockerignore`, which lists the files that go into the image. A Dockerfile may have its
   * own ignore file beside it (`server/Dockerfile.dockerignore`), which is then used instead.
   */
  root: string;
  /** Path relative to `root`, for example `server/Dockerfile`. */
  dockerfile: string;
  /** Build arguments; they are part of the version. Default: none. */
  buildArgs?: Record<string, string>;
}

/**
 * Returns a version of an image's sources, 12 hex digits. The version changes when the content of a file that
 * reaches the builder, the Dockerfile or a build argument changes. The commit, the machine, file times and
 * file modes do not matter.
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
 * Copies the sources of an image to `folder/VERSION`, each file with mode 0644. The modes are fixed because
 * Docker copies them into the image, while git keeps only whether a file is executable: the same commit,
 * checked out with umask 002 on one machine and 022 on another, would become two images. The folder's name is
 * the version, so two deployments at the same time do not disturb each other.
 *
 * @param folder created when it is missing; ignored by git
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
      if (!existsSync(target)) throw error; // the folder exists when another deployment was faster
    }
  }
  const context = relative(".", target).split(sep).join("/");
  return { context, dockerfile: `${context}/Dockerfile`, buildArgs, version };
}

function copy(from: string, to: string): void {
  const folder = dirname(to);
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o755 });
  writeFileSync(to, readFileSync(from));
  chmodSync(to, 0o644); // the umask may have removed bits from the mode
}

/**
 * The Dockerfile's own ignore file if there is one (BuildKit prefers `server/Dockerfile.dockerignore` too),
 * else `.dockerignore`.
 */
function ignoreFile(root: string, dockerfile: string): string {
  const own = `${dockerfile}.dockerignore`;
  return existsSync(join(root, own)) ? own : ".dockerignore";
}

/**
 * Returns the files that an ignore file includes in the build: paths relative to `root`, sorted, with `/`.
 * The ignore file must be a list of included paths: `*`, then `!path` lines, then patterns that exclude files
 * below these paths. Anything else is refused, because Docker and this function might read it differently.
 */
export function contextFiles(root: string, ignore = ".dockerignore"): string[] {
  const { allowed, excluded } = parse(readFileSync(join(root, ignore), "utf8"), ignore);
  const isExcluded = (path: string) => excluded.some((pattern) => pattern.test(path));
  const walk = (path: string): string[] => {
    if (isExcluded(path)) return [];
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    if (!stat) throw new Error(`${path}, which ${ignore} includes, is not in ${root}`);
    if (stat.isFile()) return [path];
    return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
      const below = posix.join(path, entry.name);
      if (entry.isSymbolicLink() && !isExcluded(below)) {
        throw new Error(
          `${below} is a symbolic link, and an image is built from plain files only. Exclude the link in ${ignore}.`,
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
  let sawStar = false;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    const refuse = (reason: string) => new Error(`${name}:${index + 1}: ${JSON.stringify(line)} ${reason}`);
    if (line === "" || line.startsWith("#")) continue;
    if (!sawStar) {
      if (line !== "*") {
        throw refuse("is the first pattern, which must be *: only the paths after it are included");
      }
      sawStar = true;
    } else if (line.startsWith("!")) {
      if (excluded.length > 0) {
        throw refuse("includes files that a line above may have excluded: move it above that line");
      }
      if (!/^![\w.][\w./-]*$/.test(line)) throw refuse("must be ! and a plain path");
      allowed.push(line.slice(1));
    } else if (/^[\w./*-]+$/.test(line)) {
      excluded.push(pattern(line));
    } else {
      throw refuse("has characters that are not supported here: use letters, digits and . - _ / * only");
    }
  }
  return { allowed, excluded };
}

/**
 * The regular expression of an exclude pattern: `**` is any number of folders, `*` is anything except `/`. A
 * folder that matches is excluded with everything below it.
 */
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
