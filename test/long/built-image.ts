/** Builds an image of this repository in a Docker daemon, reads its contents, and runs it. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";
import type { Docker } from "./docker-daemon.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const HEALTHY_TIMEOUT_MS = 30_000; // 30 s for a container to become healthy
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const NODE_BASE = "odin-test/node";
export const RUNTIME_BASE = "odin-test/runtime";

/**
 * Options of `docker run` as in the comments of the Dockerfiles, with as many open files as this machine
 * allows.
 */
const HARDENED = [
  ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--ulimit", `nofile=${openFiles()}:${openFiles()}`],
];

/** The state of a container, as `docker inspect` names it. */
export interface State {
  Running: boolean;
  ExitCode: number;
  OOMKilled: boolean;
}

export interface ImageSource {
  /** For example `odin-test/gateway`. */
  tag: string;
  /** Path from the repository's root. */
  dockerfile: string;
  /** Path from the image's root of the only file that the image adds to its base. */
  bundle: string;
}

export class BuiltImage {
  readonly #docker: Docker;
  readonly #source: ImageSource;

  constructor(docker: Docker, source: ImageSource) {
    this.#docker = docker;
    this.#source = source;
  }

  get tag(): string {
    return this.#source.tag;
  }

  /** @param client a `docker` that supports the settings in `env`; default: the first one on PATH */
  async build(env: NodeJS.ProcessEnv, client?: string): Promise<void> {
    const { tag, dockerfile } = this.#source;
    const args = Object.entries({ NODE_IMAGE: NODE_BASE, BASE_IMAGE: RUNTIME_BASE, COMMIT });
    const buildArgs = args.flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    const where = ["--network", "host", "--file", join(ROOT, dockerfile), "--tag", tag, ROOT];
    await this.#docker.run(["build", ...buildArgs, ...where], env, client);
  }

  /** Returns the digest of the bundle in the image. */
  bundleDigest(): Promise<string> {
    const docker = this.#docker;
    const { tag, bundle } = this.#source;
    return withContainer(docker, tag, [], async (id) => {
      const file = join(docker.folder, `${id}.mjs`);
      await docker.run(["cp", `${id}:/${bundle}`, file]);
      return digestOf(file);
    });
  }

  /** Returns the paths of all files and folders in the image. Folders end with a slash. */
  files(): Promise<string[]> {
    return filesOf(this.#docker, this.tag);
  }

  /** Returns the paths that the image adds to its base. */
  async added(): Promise<string[]> {
    const base = new Set(await filesOf(this.#docker, RUNTIME_BASE, ["/none"]));
    return (await this.files()).filter((path) => !base.has(path));
  }

  /** Returns the size of the image, and the part that the image adds to its base, bytes. */
  async size(): Promise<{ whole: number; added: number }> {
    const of = async (image: string) =>
      Number(await this.#docker.run(["inspect", "--format", "{{.Size}}", image]));
    const whole = await of(this.tag);
    return { whole, added: whole - (await of(RUNTIME_BASE)) };
  }

  async config() {
    const config = JSON.parse(
      await this.#docker.run(["inspect", "--format", "{{json .Config}}", this.tag]),
    ) as {
      User: string;
      Entrypoint: string[];
      Cmd: string[] | null;
      ExposedPorts?: Record<string, object>;
      StopSignal: string;
      Env: string[];
      Labels: Record<string, string>;
    };
    return {
      user: config.User,
      entrypoint: config.Entrypoint,
      command: config.Cmd ?? null,
      ports: Object.keys(config.ExposedPorts ?? {}).sort(),
      stopSignal: config.StopSignal,
      env: config.Env.toSorted(),
      revision: config.Labels["org.opencontainers.image.revision"],
    };
  }

  /**
   * Runs the image on the host's network and waits until `healthy` returns true. The container is removed
   * with its owner.
   */
  async start(
    owner: Owner,
    env: Readonly<Record<string, string>>,
    healthy: () => Promise<boolean>,
  ): Promise<Container> {
    const docker = this.#docker;
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const id = await docker.run([
      ...["run", "--detach", "--network", "host", ...HARDENED, ...variables],
      this.tag,
    ]);
    owner.after(async () => {
      await docker.run(["rm", "--force", id]);
    });
    const container = new Container(docker, id);
    try {
      await eventually(
        "a healthy container",
        async () => !(await container.state()).Running || (await healthy()),
        HEALTHY_TIMEOUT_MS,
      );
      if (!(await container.state()).Running) throw new Error("the container ended");
    } catch (error) {
      throw new Error(`${error}\n${await container.log()}`, { cause: error });
    }
    return container;
  }
}

export class Container {
  readonly id: string;
  readonly #docker: Docker;

  constructor(docker: Docker, id: string) {
    this.#docker = docker;
    this.id = id;
  }

  async state(): Promise<State> {
    const text = await this.#docker.run(["inspect", "--format", "{{json .State}}", this.id]);
    return JSON.parse(text) as State;
  }

  log(): Promise<string> {
    return this.#docker.shell('docker logs "$1" 2>&1', this.id);
  }

  /**
   * Returns what the kernel reports about the first process. Node reads the files, because the image has no
   * shell.
   */
  async processOne(): Promise<{ status: string; limits: string }> {
    const script =
      "const { readFileSync: r } = require('node:fs'); console.log(JSON.stringify({ status: r('/proc/1/status', 'utf8'), limits: r('/proc/1/limits', 'utf8') }))";
    return JSON.parse(await this.#docker.run(["exec", this.id, "node", "--eval", script])) as {
      status: string;
      limits: string;
    };
  }
}

async function filesOf(docker: Docker, image: string, command: string[] = []): Promise<string[]> {
  const list = await withContainer(docker, image, command, (id) =>
    docker.shell('docker export "$1" | tar --list', id),
  );
  return list.split("\n").sort();
}

/** Calls `use` with a container that never runs. Docker requires a command for an image that has none. */
async function withContainer<T>(
  docker: Docker,
  image: string,
  command: string[],
  use: (id: string) => Promise<T>,
): Promise<T> {
  const id = await docker.run(["create", image, ...command]);
  try {
    return await use(id);
  } finally {
    await docker.run(["rm", id]);
  }
}

/**
 * Returns the limit of open files for a container: 200,000 as in the deployment, or this process's hard limit
 * if lower.
 */
export function openFiles(): number {
  const wanted = 200_000;
  if (process.platform !== "linux") return wanted;
  const [, hard] = readFileSync("/proc/self/limits", "utf8").match(/^Max open files +\d+ +(\d+)/m) ?? [];
  return Math.min(wanted, Number(hard ?? wanted));
}

/** Returns the SHA-256 of a file as hex digits. */
export function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
