/**
 * Two base images for the Dockerfiles, made from files of this machine, without an image registry. Each one
 * has Node in the same folder as the real base image, but fewer files. So what works on these images does not
 * need the other files.
 */

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { onPath } from "../../tools/programs/on-path.ts";
import type { Docker } from "./docker-daemon.ts";

const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";

/** Imports a runtime base like distroless: Node and its libraries, without /etc/passwd or /tmp. */
export async function importRuntimeBase(docker: Docker, tag: string): Promise<void> {
  const root = join(docker.folder, "runtime-base");
  install(root, process.execPath, "/nodejs/bin/node");
  await importFolder(docker, root, tag, {});
}

/** Imports a base for builds, like the official image of Node: with npm and a shell. */
export async function importNodeBase(docker: Docker, tag: string): Promise<void> {
  const root = join(docker.folder, "node-base");
  install(root, process.execPath, "/usr/local/bin/node");
  install(root, "/bin/sh", "/bin/sh");
  install(root, "/usr/bin/env", "/usr/bin/env");
  const npm = npmFolder();
  cpSync(npm, join(root, "usr/local/lib/node_modules/npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(root, "usr/local/bin/npm"));
  // The build uses this machine's package registry setting and certificates, because a mirror or a proxy may
  // be in use.
  const npmCli = join(npm, "bin/npm-cli.js");
  const registry = execFileSync(process.execPath, [npmCli, "config", "get", "registry"], {
    encoding: "utf8",
  });
  const env: Record<string, string> = { NPM_CONFIG_REGISTRY: registry.trim() };
  if (existsSync(CERTIFICATES)) {
    cpSync(CERTIFICATES, join(root, CERTIFICATES), { dereference: true });
    env.NODE_EXTRA_CA_CERTS = CERTIFICATES;
  }
  await importFolder(docker, root, tag, env);
}

/** Copies a program to `path` below `root`, with the libraries that the program is linked to. */
function install(root: string, program: string, path: string): void {
  copy(program, join(root, path));
  const libraries = execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/\S+(?= \(0x)/g) ?? [];
  for (const library of libraries) copy(library, join(root, library));
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(realpathSync(from), to);
}

/** Returns the folder of the npm that runs this process, or of the npm on PATH. */
function npmFolder(): string {
  const running = process.env.npm_execpath;
  const cli = running && basename(running) === "npm-cli.js" ? running : onPath("npm")[0];
  if (!cli) throw new Error("no npm on PATH");
  return dirname(dirname(realpathSync(cli)));
}

async function importFolder(
  docker: Docker,
  folder: string,
  tag: string,
  env: Record<string, string>,
): Promise<void> {
  const changes = Object.entries(env).flatMap(([name, value]) => ["--change", `ENV ${name}=${value}`]);
  await docker.shell(
    'folder=$1; shift; tar -C "$folder" -c . | docker import "$@"',
    folder,
    ...changes,
    "-",
    tag,
  );
}
