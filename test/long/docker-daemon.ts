/** A Docker daemon for one test. The daemon leaves nothing behind: no process, mount, network or file. */

import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { onPath } from "../../tools/programs/on-path.ts";
import type { Owner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually, within } from "../harness/wait.ts";

const START_TIMEOUT_MS = 60_000; // 60 s for the daemon to answer, on a busy machine
const COMMAND_TIMEOUT_MS = 300_000; // 5 min for the longest command: a build that installs packages
const MAX_OUTPUT = 64 * 1024 * 1024; // 64 MiB of output from one command

const exec = promisify(execFile);

/** Returns why no daemon can be started here, and what to do; undefined when a daemon can be started. */
export function whyNoDocker(): string | undefined {
  if (process.platform !== "linux") return "needs Linux, to start a Docker daemon";
  if (process.getuid?.() !== 0) return "needs root, to start a Docker daemon: run the test with sudo";
  const missing = ["dockerd", "docker", "unshare"].filter((program) => onPath(program).length === 0);
  if (missing.length > 0) return `needs ${missing.join(", ")}: apt-get install docker.io util-linux`;
  return undefined;
}

export class Docker {
  /** Contains all files of the daemon. */
  readonly folder = mkdtempSync(join(tmpdir(), "odin-docker-"));
  readonly #daemon: ProcessGroup;
  readonly #env: NodeJS.ProcessEnv;

  constructor() {
    const at = (name: string) => join(this.folder, name);
    const host = `unix://${at("socket")}`;
    // The client's configuration is here too, so that no credentials, proxies or contexts of the user are
    // used.
    this.#env = {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      DOCKER_HOST: host,
      DOCKER_CONFIG: at("client"),
    };
    // The daemon has its own PID and mount namespaces. When the first process of the namespaces ends, for
    // whatever reason, the kernel ends the containers and removes the mounts.
    const namespace = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--"];
    // A containerd of the machine is hidden from the daemon, which would otherwise use it instead of its own:
    // containers would then start outside of the namespaces, where the daemon's mounts do not exist.
    const hide = '[ ! -d /run/containerd ] || mount -t tmpfs containerd /run/containerd; exec "$@"';
    const daemon = [
      ...["sh", "-c", hide, "sh"],
      "dockerd",
      ...["--host", host, "--pidfile", at("pid")],
      ...["--data-root", at("data"), "--exec-root", at("exec")],
      // Containers use the host's network, so no bridge and no firewall rules are needed.
      ...["--bridge=none", "--iptables=false", "--ip6tables=false"],
      // The daemon does not use systemd, which tests cannot rely on.
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
      START_TIMEOUT_MS,
    );
    const { exit } = this.#daemon;
    if (exit) throw new Error(`dockerd ended with ${JSON.stringify(exit)}:\n${this.#daemon.tail()}`);
  }

  /**
   * Runs `docker` and returns its stdout.
   *
   * @throws Error with all output when the command fails
   */
  run(args: readonly string[], env: NodeJS.ProcessEnv = {}, docker = "docker"): Promise<string> {
    return this.#exec(docker, args, env);
  }

  /** Runs a shell command that may use `docker`; `args` are $1, $2, … */
  shell(line: string, ...args: string[]): Promise<string> {
    return this.#exec("sh", ["-c", line, "sh", ...args]);
  }

  /** Returns a client on PATH that can build with BuildKit; undefined when no client can. */
  async buildKitClient(): Promise<string | undefined> {
    for (const docker of onPath("docker")) {
      const version = await this.run(["version", "--format", "{{.Client.Version}}"], {}, docker);
      // From version 23 on, BuildKit needs the plugin buildx.
      if (Number.parseInt(version, 10) < 23) return docker;
      const plugin = await this.run(["buildx", "version"], {}, docker).catch(() => undefined);
      if (plugin !== undefined) return docker;
    }
    return undefined;
  }

  /**
   * Ends the daemon and everything that it runs.
   *
   * @throws Error when something is left behind
   */
  async dispose(): Promise<void> {
    // The daemon removes its containers first, because control groups are not part of the namespaces.
    if (this.#daemon.exit === undefined) {
      await this.shell("docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes").catch(
        () => {},
      );
    }
    // Only the daemon gets the signal. Its parent `unshare` has to stay until it has noticed the daemon's
    // end.
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
    const options = { env: { ...this.#env, ...env }, maxBuffer: MAX_OUTPUT, timeout: COMMAND_TIMEOUT_MS };
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

  /** Returns the command lines of the processes that belong to this daemon. */
  #processes(): string[] {
    const lines = globSync("/proc/[0-9]*/cmdline").map((file) => {
      try {
        return readFileSync(file, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // the process has ended
      }
    });
    return lines.filter((line) => line.includes(this.folder));
  }
}

/**
 * Removes the control groups of this name from all hierarchies (one in version 2, many in version 1), inner
 * groups first.
 */
function removeControlGroups(name: string): void {
  const entries = globSync(`/sys/fs/cgroup/{*/,}${name}{,/**}`, { withFileTypes: true });
  const groups = entries
    .filter((entry) => entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const group of new Set(groups.sort().reverse())) rmdirSync(group);
}

/** Starts a daemon and waits until it is ready. The daemon is disposed of with its owner. */
export async function startDocker(owner: Owner): Promise<Docker> {
  const docker = new Docker();
  owner.after(() => docker.dispose());
  await docker.ready();
  return docker;
}
