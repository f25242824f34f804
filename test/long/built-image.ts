/** An image of this repository in a Docker daemon: how it is built, what is in it, and how it is run. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";
import type { Docker } from "./docker-daemon.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const START = 30_000; // 30 s for a container to become healthy
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
export const NODE_BASE = "odin-test/node";
export const RUNTIME_BASE = "odin-test/runtime";

/** How the Dockerfiles say to run it, with as many open files as this machine allows. */
const HARDENED = [
  ...["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  ...["--ulimit", `nofile=${openFiles()}:${openFiles()}`],
];

/** What Docker says of a container. */
export interface State {
  Running: boolean;
  ExitCode: number;
  OOMKilled: boolean;
}

export interface ImageSource {
  /** For example `odin-test/gateway`. */
  tag: string;
  /** From the repository's root. */
  dockerfile: string;
  /** The one file that the image adds to its base, from the image's root. */
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

  /** @param client a `docker` that can do what `env` asks for; default: the first on PATH. */
  async build(env: NodeJS.ProcessEnv, client?: string): Promise<void> {
    const { tag, dockerfile } = this.#source;
    const args = Object.entries({ NODE_IMAGE: NODE_BASE, BASE_IMAGE: RUNTIME_BASE, COMMIT });
    const buildArgs = args.flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
    const where = ["--network", "host", "--file", join(ROOT, dockerfile), "--tag", tag, ROOT];
    await this.#docker.run(["build", ...buildArgs, ...where], env, client);
  }

  /** Digest of the bundle in it. */
  bundleDigest(): Promise<string> {
    const docker = this.#docker;
    const { tag, bundle } = this.#source;
    return withContainer(docker, tag, [], async (id) => {
      const file = join(docker.folder, `${id}.mjs`);
      await docker.run(["cp", `${id}:/${bundle}`, file]);
      return digestOf(file);
    });
  }

  /** Paths of all that is in it, folders with a slash at their end. */
  files(): Promise<string[]> {
    return filesOf(this.#docker, this.tag);
  }

  /** Paths of what it adds to its base. */
  async added(): Promise<string[]> {
    const base = new Set(await filesOf(this.#docker, RUNTIME_BASE, ["/none"]));
    return (await this.files()).filter((path) => !base.has(path));
  }

  /** Its bytes, and those that it adds to its base. */
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

  /** Runs it, on the host's network, and waits until `healthy` says so; removed with its owner. */
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
        START,
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

  /** What the kernel says of its first process. Without a shell to ask with, Node does it. */
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

/** A container that exists but never runs. An image without a command of its own needs one all the same. */
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

/** Open files that a container can be given here: 200,000 as in the deployment, or this process's own hard limit. */
export function openFiles(): number {
  const wanted = 200_000;
  if (process.platform !== "linux") return wanted;
  const [, hard] = readFileSync("/proc/self/limits", "utf8").match(/^Max open files +\d+ +(\d+)/m) ?? [];
  return Math.min(wanted, Number(hard ?? wanted));
}

/** SHA-256 of a file, hex. */
export function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
