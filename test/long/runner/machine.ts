/**
 * A machine on which the steps of a workflow run as they do on a machine of GitHub: a copy of this machine in
 * namespaces (machine-setup.sh), with an unprivileged user who may use sudo without a password.
 */

import { execFile, execFileSync } from "node:child_process";
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { onPath } from "../../../tools/programs/on-path.ts";
import { findProgram } from "../../../tools/programs/programs.ts";
import type { Owner } from "../../harness/owner.ts";
import { ProcessGroup } from "../../harness/process-group.ts";
import { eventually } from "../../harness/wait.ts";
import { guardFolder } from "../../harness/watchdog.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SETUP = fileURLToPath(new URL("machine-setup.sh", import.meta.url));
const USER = "odin-runner";
const HOME = `/home/${USER}`;
const CHECKOUT = `${HOME}/work/odin-ws`;
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const BOOT_MS = 120_000; // ms until the machine is ready; apt removes a package before
const STEP_MS = 600_000; // ms for one step
const MAX_OUTPUT = 64 * 1024 * 1024; // 64 MiB of output from one step
// A proxy that this machine is behind, and its certificates.
const PROXY = ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "PIP_CERT", "http_proxy", "https_proxy", "no_proxy"];
const NEEDED = "unshare nsenter setpriv sudo useradd pivot_root apt-get containerd npm".split(" ");

/** A step of a job, as the workflow's file has it. */
export interface Step {
  name?: string;
  uses?: string;
  with?: Record<string, string | number | boolean>;
  run?: string;
  env?: Record<string, string>;
}

/** How a step ended. */
export interface Ended {
  code: number;
  output: string;
}

/** The reason why no such machine can be built here, and what to do; false when it can be built. */
export function whyNoRunner(): string | false {
  if (process.platform !== "linux") return "needs Linux, for namespaces";
  if (process.getuid?.() !== 0) return "needs root, for namespaces: run the test with sudo";
  if (!existsSync("/etc/debian_version")) return "needs Debian or Ubuntu, because the workflow uses apt";
  const missing = NEEDED.filter((program) => onPath(program, SYSTEM_PATH.split(delimiter)).length === 0);
  return missing.length > 0 && `needs ${missing.join(", ")}: tools/testing/install-packages.sh`;
}

export class RunnerMachine {
  readonly #folder = mkdtempSync(join(tmpdir(), "odin-runner-"));
  /** Folders that steps have added to PATH, the last one first. */
  #added: string[] = [];
  #holder: ProcessGroup | undefined;
  #pid = 0;

  /** Starts the machine. Its home folder is empty, except for the programs that the actions install. */
  async start(): Promise<void> {
    guardFolder(this.#folder);
    mkdirSync(join(this.#folder, "tmp"));
    mkdirSync(this.#home(), { recursive: true });
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
    const setup = new ProcessGroup("unshare", [...namespaces, SETUP, this.#folder], { PATH: SYSTEM_PATH });
    this.#holder = setup;
    await eventually(
      () => `the machine:\n${setup.tail()}`,
      () => setup.exit !== undefined || existsSync(join(this.#folder, "tmp/ready")),
      BOOT_MS,
    );
    if (setup.exit !== undefined) throw new Error(`machine-setup.sh failed:\n${setup.tail()}`);
    const [child] = readFileSync(`/proc/${setup.pid}/task/${setup.pid}/children`, "utf8").trim().split(" ");
    this.#pid = Number(child);
  }

  /**
   * Runs a step: its `run` literally, and in place of an action what the action does on GitHub.
   *
   * @param env variables of the job
   * @throws Error for an action that this machine does not know
   */
  async step(step: Step, env: Record<string, string>): Promise<Ended> {
    if (step.run === undefined) {
      this.#action(step);
      return { code: 0, output: "" };
    }
    const script = join(this.#folder, "tmp/step.sh");
    writeFileSync(script, step.run);
    // GitHub runs `shell: bash` like this.
    return this.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "/tmp/step.sh"], {
      ...env,
      ...step.env,
    });
  }

  /** Runs a command in the checkout, as the user. */
  run(command: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
    const kept = PROXY.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [`${name}=${value}`];
    });
    const variables = Object.entries({
      HOME,
      USER,
      LANG: "C.UTF-8",
      CI: "true",
      GITHUB_ACTIONS: "true",
      PATH: [...this.#added, SYSTEM_PATH].join(":"),
      ...env,
    }).map(([name, value]) => `${name}=${value}`);
    const args = [
      ...["--target", String(this.#pid), "--mount", "--pid", "--"],
      ...["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--init-groups", "--"],
      ...["env", "--ignore-environment", `--chdir=${CHECKOUT}`, ...kept, ...variables, ...command],
    ];
    return new Promise((resolve) => {
      const options = { timeout: STEP_MS, killSignal: "SIGKILL" as const, maxBuffer: MAX_OUTPUT };
      execFile("nsenter", args, options, (error, stdout, stderr) => {
        const code = typeof error?.code === "number" ? error.code : error ? -1 : 0;
        resolve({ code, output: stdout + stderr });
      });
    });
  }

  /** Ends every process of the machine, and deletes its files. */
  async dispose(): Promise<void> {
    await this.#holder?.dispose();
    // The processes in the namespaces end a moment after their first process.
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 }); // ms
  }

  /** The user's home folder, from outside of the machine. */
  #home(path = ""): string {
    return join(this.#folder, "home", USER, path);
  }

  #action({ uses = "", with: inputs = {} }: Step): void {
    const [action] = uses.split("@");
    if (action === "actions/checkout") this.#checkOut();
    else if (action === "actions/setup-node") this.#setUpNode(String(inputs["node-version"]));
    else if (action === "pulumi/actions") this.#setUpPulumi();
    else throw new Error(`no stand-in for the action ${uses}: add one to RunnerMachine`);
    execFileSync("chown", ["-R", "--reference", this.#home(), this.#home()]);
  }

  /** One commit of the files that git has or would add here. */
  #checkOut(): void {
    const folder = this.#home("work/odin-ws");
    mkdirSync(folder, { recursive: true });
    const copy =
      'git -C "$1" ls-files -z --cached --others --exclude-standard --deduplicate | (cd "$1" && xargs -0 ls -d 2>/dev/null | tar -c -T -) | tar -x -C "$2"';
    execFileSync("bash", ["-c", copy, "bash", ROOT, folder]);
    const git = (...args: string[]) => execFileSync("git", ["-C", folder, ...args], { stdio: "ignore" });
    git("init", "--initial-branch", "main");
    git("add", ".");
    git("-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--message", "Checkout");
  }

  #setUpNode(version: string): void {
    if (`v${version}` !== process.version)
      throw new Error(`the workflow uses Node ${version}, and this test runs on ${process.version}`);
    const bin = "tools/node/bin";
    mkdirSync(this.#home(bin), { recursive: true });
    copyFileSync(process.execPath, this.#home(`${bin}/node`), constants.COPYFILE_FICLONE);
    const npm = realpathSync(onPath("npm", SYSTEM_PATH.split(delimiter))[0] ?? "npm");
    for (const name of ["npm", "npx"])
      symlinkSync(join(dirname(npm), `${name}-cli.js`), this.#home(`${bin}/${name}`));
    this.#added.unshift(`${HOME}/${bin}`);
  }

  #setUpPulumi(): void {
    const program = findProgram("pulumi");
    if (program === undefined) throw new Error("needs pulumi: npm run programs");
    const bin = ".pulumi/bin";
    mkdirSync(this.#home(bin), { recursive: true });
    copyFileSync(realpathSync(program), this.#home(`${bin}/pulumi`), constants.COPYFILE_FICLONE);
    this.#added.unshift(`${HOME}/${bin}`);
  }
}

/** Starts a machine. The machine is disposed of with its owner. */
export async function startRunner(owner: Owner): Promise<RunnerMachine> {
  const machine = new RunnerMachine();
  owner.after(() => machine.dispose());
  await machine.start();
  return machine;
}
