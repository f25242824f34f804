/** A Docker daemon of a test's own, which leaves nothing behind: no process, mount, network or file. */

import { execFile } from "node:child_process";
import { accessSync, constants, globSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { Owner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";

const START = 60_000; // 60 s for the daemon to answer on a busy machine
const COMMAND = 300_000; // 5 min for the longest command, a build that installs packages
const OUTPUT = 64 * 1024 * 1024; // bytes of output kept of one command

const exec = promisify(execFile);

/** All files of this name on PATH that can be run, in its order. */
export function onPath(program: string): string[] {
  const paths = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
  return paths.filter((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why no daemon can be started here, and what to do about it; undefined when one can. */
export function whyNoDocker(): string | undefined {
  if (process.platform !== "linux") return "needs Linux, to start a Docker daemon of its own";
  if (process.getuid?.() !== 0) return "needs root, to start a Docker daemon of its own: run it with sudo";
  const missing = ["dockerd", "docker", "unshare"].filter((program) => onPath(program).length === 0);
  if (missing.length > 0) return `needs ${missing.join(", ")}: apt-get install docker.io util-linux`;
  return undefined;
}

export class Docker {
  /** Holds everything of the daemon. */
  readonly folder = mkdtempSync(join(tmpdir(), "odin-docker-"));
  readonly #daemon: ProcessGroup;
  readonly #env: NodeJS.ProcessEnv;

  constructor() {
    const at = (name: string) => join(this.folder, name);
    const host = `unix://${at("socket")}`;
    // The client's own folder too: no credentials, proxies or contexts of the person who runs this.
    this.#env = {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      DOCKER_HOST: host,
      DOCKER_CONFIG: at("client"),
    };
    // In a PID and a mount namespace of its own: when its first process ends, however that came about, the kernel ends the
    // containers and takes the mounts away.
    const namespace = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--"];
    const daemon = [
      "dockerd",
      ...["--host", host, "--pidfile", at("pid")],
      ...["--data-root", at("data"), "--exec-root", at("exec")],
      // Containers use the host's network: no bridge to make and no firewall rule to change.
      ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
      // Neither systemd nor a containerd that the machine may run already has to do with this.
      ...["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", `/${basename(this.folder)}`],
      ...["--containerd-namespace", "odin-test", "--containerd-plugins-namespace", "odin-test-plugins"],
    ];
    this.#daemon = new ProcessGroup("unshare", [...namespace, ...daemon], {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
    });
  }

  /** Waits until the daemon answers. */
  async ready(): Promise<void> {
    await eventually(
      () => `answer of dockerd:\n${this.#daemon.tail()}`,
      async () => this.#daemon.exit !== undefined || (await this.run(["version"]).then(() => true)),
      START,
    );
    const { exit } = this.#daemon;
    if (exit) throw new Error(`dockerd ended with ${JSON.stringify(exit)}:\n${this.#daemon.tail()}`);
  }

  /**
   * Runs `docker` and returns what it wrote to stdout.
   *
   * @throws Error with all output when it fails
   */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}, docker = "docker"): Promise<string> {
    return this.#exec(docker, args, env);
  }

  /** Runs a line of shell with `docker` at hand; `args` are $1 and so on. */
  shell(line: string, ...args: string[]): Promise<string> {
    return this.#exec("sh", ["-c", line, "sh", ...args]);
  }

  /** A client on PATH that can build with BuildKit; undefined when there is none. */
  async buildKitClient(): Promise<string | undefined> {
    for (const docker of onPath("docker")) {
      const version = await this.run(["version", "--format", "{{.Client.Version}}"], {}, docker);
      // Later ones have left BuildKit to the plugin buildx.
      if (Number.parseInt(version, 10) < 23) return docker;
      const plugin = await this.run(["buildx", "version"], {}, docker).catch(() => undefined);
      if (plugin !== undefined) return docker;
    }
    return undefined;
  }

  /** Ends the daemon with all that it runs. @throws Error when something is left of it */
  async dispose(): Promise<void> {
    // Removed by the daemon first: control groups are not part of the namespaces.
    if (this.#daemon.exit === undefined) {
      await this.shell("docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes").catch(
        () => {},
      );
    }
    // The daemon, not `unshare` in front of it, which has to stay until it can take note of the daemon's end.
    for (const { pid } of this.#daemon.processes())
      if (pid !== this.#daemon.pid) process.kill(pid, "SIGTERM");
    await within("end of dockerd", this.#daemon.exited).catch(() => {});
    await this.#daemon.dispose();
    await eventually(
      () => `end of ${this.#processes().join(", ")}`,
      () => this.#processes().length === 0,
    );
    rmSync(this.folder, { recursive: true, force: true });
    removeControlGroups(basename(this.folder));
    if (readFileSync("/proc/self/mountinfo", "utf8").includes(this.folder)) {
      throw new Error(`a mount is left below ${this.folder}`);
    }
  }

  async #exec(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const options = { env: { ...this.#env, ...env }, maxBuffer: OUTPUT, timeout: COMMAND };
    try {
      return (await exec(program, args, options)).stdout.trim();
    } catch (error) {
      const {
        code,
        stdout = "",
        stderr = "",
      } = error as { code?: unknown; stdout?: string; stderr?: string };
      throw new Error(`${[program, ...args].join(" ")} failed (${code}):\n${stdout}${stderr}`, {
        cause: error,
      });
    }
  }

  /** Command lines of what belongs to this daemon. */
  #processes(): string[] {
    const lines = globSync("/proc/[0-9]*/cmdline").map((file) => {
      try {
        return readFileSync(file, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // Gone meanwhile.
      }
    });
    return lines.filter((line) => line.includes(this.folder));
  }
}

/** Below whichever hierarchies there are (one with version 2, many with version 1), the inner groups first. */
function removeControlGroups(name: string): void {
  const entries = globSync(`/sys/fs/cgroup/{*/,}${name}{,/**}`, { withFileTypes: true });
  const groups = entries
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const group of new Set(groups.sort().reverse())) rmdirSync(group);
}

/** Starts a daemon and waits until it is ready; disposed of with its owner. */
export async function startDocker(owner: Owner): Promise<Docker> {
  const docker = new Docker();
  owner.after(() => docker.dispose());
  await docker.ready();
  return docker;
}
