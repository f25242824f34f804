/**
 * A machine for start-up scripts: namespaces that look like Container-Optimized OS (machine-setup.sh), with a
 * fake cloud (fake-cloud.ts).
 */

import { execFile, execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Role, startupScript } from "../../infra/machines/boot.ts";
import { onPath, ROOT_FOLDERS } from "../../tools/programs/on-path.ts";
import type { Owner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually } from "../harness/wait.ts";
import { guardFolder } from "../harness/watchdog.ts";
import type { Cloud, Request } from "./cloud.ts";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Timeout in ms for all tests of a suite together. */
export const SUITE = 600_000;
const RUN_MS = 60_000; // ms for one run of a script on a busy machine
const NEEDED = "unshare nsenter ip iptables curl flock setpriv mkfs.ext4 losetup sysctl awk".split(" ");

/**
 * The `skip` of the tests that need a machine: why it cannot be built here and what to do, or false if it
 * can.
 */
export function whyNoMachine(): string | false {
  if (process.platform !== "linux") return "needs Linux, for namespaces";
  if (process.getuid?.() !== 0) return "needs root, for namespaces: run it with sudo";
  const missing = NEEDED.filter((program) => onPath(program, ROOT_FOLDERS).length === 0);
  if (missing.length === 0) return false;
  return `needs ${missing.join(", ")}: apt-get install curl e2fsprogs iproute2 iptables mawk mount procps util-linux`;
}

/** Result of a run. */
export interface Outcome {
  code: number;
  stderr: string;
  stdout: string;
  /** The lines that the run wrote to the serial console. */
  serial: string[];
}

export class Machine {
  /** Folder of all files of the machine; it has the same path inside and outside of the machine. */
  readonly folder = mkdtempSync(join(tmpdir(), "odin-machine-"));
  readonly role: Role;
  readonly cloud: Cloud;
  /** Environment of the scripts, with short timeouts, so that failures come soon. */
  readonly env: Record<string, string>;
  readonly #realPorts: number[];
  #holder: ProcessGroup | undefined;
  #server: ProcessGroup | undefined;
  #pid = 0;

  /**
   * @param attributes metadata besides the role and the script, without `odin-`
   * @param realPorts ports of containers that the test runs as real programs
   */
  constructor(role: Role, attributes: Record<string, string>, realPorts: number[] = []) {
    this.role = role;
    this.#realPorts = realPorts;
    const named = Object.entries(attributes).map(([name, value]) => [`odin-${name}`, value]);
    this.cloud = {
      attributes: { "odin-role": role, "startup-script": startupScript(role), ...Object.fromEntries(named) },
      token: "ya29.token-of-the-vm",
      secrets: {},
      objects: {},
      groups: {},
      critical: [],
      warning: [],
      faults: [],
    };
    this.env = {
      PATH: "/mnt/bin",
      ODIN_TEST: this.folder,
      ODIN_SERIAL: join(this.folder, "serial"),
      ODIN_SECRETS_URL: "http://127.0.0.1:8001",
      ODIN_STORAGE_URL: "http://127.0.0.1:8002",
      ODIN_MONITORING_URL: "http://127.0.0.1:8003",
      ODIN_COMPUTE_URL: "http://127.0.0.1:8004",
      ODIN_LEAVING_SECONDS: "0.1",
      ODIN_ATTEMPTS: "3",
      ODIN_PAUSE: "0",
      ODIN_HTTP_SECONDS: "2",
      ODIN_LIVE_SECONDS: "4",
      ODIN_DEVICE_SECONDS: "1",
      ODIN_STAGGER: "0",
      ODIN_PEER_SECONDS: "4",
      ODIN_ALONE_SECONDS: "1",
      ODIN_WATCH_SECONDS: "2",
    };
  }

  /** Builds the machine and its fake cloud. No script has run on the machine yet. */
  async build(): Promise<void> {
    guardFolder(this.folder);
    for (const name of ["faults", "images", "journal", "programs", "running", "units"])
      mkdirSync(join(this.folder, name));
    execFileSync("chmod", ["0755", this.folder]);
    for (const name of ["serial", "commands", "requests"]) this.write(name, "");
    this.saveCloud();
    const holder = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"];
    const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const setup = new ProcessGroup("unshare", [...holder, here("machine-setup.sh"), this.folder], env);
    this.#holder = setup;
    await eventually(
      () => `the machine:\n${setup.tail()}`,
      () => setup.exit !== undefined || existsSync(join(this.folder, "ready")),
    );
    if (setup.exit !== undefined) throw new Error(`machine-setup.sh failed:\n${setup.tail()}`);
    const [child] = readFileSync(`/proc/${setup.pid}/task/${setup.pid}/children`, "utf8").trim().split(" ");
    this.#pid = Number(child);
    const ports = this.#realPorts.map(String);
    const server = this.near(process.execPath, [here("fake-cloud.ts"), this.folder, ...ports]);
    this.#server = server;
    await eventually(
      () => `the fake cloud:\n${server.tail()}`,
      () => server.exit !== undefined || existsSync(join(this.folder, "cloud-ready")),
      30_000,
    );
    if (server.exit !== undefined) throw new Error(`fake-cloud.ts failed:\n${server.tail()}`);
  }

  /** Id of the machine's first process. */
  get pid(): number {
    return this.#pid;
  }

  /** Saves `cloud` for the fake cloud, after a test has changed it. */
  saveCloud(): void {
    writeFileSync(join(this.folder, "cloud.json.new"), JSON.stringify(this.cloud));
    execFileSync("mv", [join(this.folder, "cloud.json.new"), join(this.folder, "cloud.json")]);
  }

  /** Runs a program on the machine. */
  run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
    const before = this.read("serial").length;
    const inside = ["--target", String(this.#pid), "--mount", "--net", "--pid", "--", program, ...args];
    return new Promise((resolve) => {
      const options = { env: { ...this.env, ...env }, timeout: RUN_MS, killSignal: "SIGKILL" as const };
      execFile("/usr/bin/nsenter", inside, options, (error, stdout, stderr) => {
        const serial = this.read("serial").slice(before).split("\n").filter(Boolean);
        const code = typeof error?.code === "number" ? error.code : error ? -1 : 0;
        resolve({ code, stdout, stderr, serial });
      });
    });
  }

  /** Starts a program outside of the machine that uses only the machine's network. */
  near(program: string, args: readonly string[], env: Record<string, string> = {}): ProcessGroup {
    const inside = [`--net=/proc/${this.#pid}/ns/net`, "--", program, ...args];
    return new ProcessGroup("nsenter", inside, { PATH: process.env.PATH ?? "", ...env });
  }

  /**
   * Runs a shell command on the machine, with all programs of the test's host on PATH, and returns its
   * stdout.
   */
  async shell(line: string): Promise<string> {
    const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
    const { code, stdout, stderr } = await this.run("/bin/sh", ["-c", line], env);
    if (code !== 0) throw new Error(`${line} failed (${code}): ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs the start-up script of the metadata as Google's agent does: from a file, without arguments. */
  async start(env: Record<string, string> = {}): Promise<Outcome> {
    this.saveCloud();
    this.write("startup-script", this.cloud.attributes["startup-script"] ?? "");
    return this.run("/bin/bash", [join(this.folder, "startup-script")], env);
  }

  /** Does what a reboot does: stops all units, and empties memory and temporary folders. Starts nothing. */
  async reboot(): Promise<void> {
    const units = globSync("*.running", { cwd: join(this.folder, "units") });
    for (const unit of units) await this.systemctl("stop", unit.replace(/\.running$/, ""));
    for (const file of globSync("*", { cwd: join(this.folder, "units") }))
      rmSync(join(this.folder, "units", file));
    await this.shell("! mountpoint -q /mnt/disks/data || umount /mnt/disks/data");
    await this.shell("rm -rf /run/odin /etc/systemd/system/* /etc/security/limits.d /mnt/disks/*");
    await this.shell("iptables-restore < /mnt/firewall");
  }

  systemctl(...args: string[]): Promise<Outcome> {
    return this.run("/mnt/bin/systemctl", args);
  }

  /** Reads a file of the machine's folder. */
  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Makes a stand-in fail. `text` goes to the file of the fault, see the stand-ins. */
  fault(name: string, text = ""): void {
    this.write(join("faults", name), text);
  }

  /** Ends a fault. */
  clearFault(name: string): void {
    rmSync(join(this.folder, "faults", name), { force: true });
  }

  /** The calls of a program so far that match. */
  calls(program: string, matching = /^/): string[] {
    return this.read("commands")
      .split("\n")
      .filter((line) => line.startsWith(`${program} `) && matching.test(line));
  }

  requests(): Request[] {
    return this.read("requests")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Request);
  }

  /** Whether the container `odin-NAME` runs. */
  runs(name: string): boolean {
    return existsSync(join(this.folder, "running", `odin-${name}`));
  }

  /** The environment variables of a container. */
  environment(name: string): Record<string, string> {
    const entries = this.read(`environment-odin-${name}`).split("\0").filter(Boolean);
    return Object.fromEntries(
      entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
  }

  async dispose(): Promise<void> {
    await this.#server?.dispose();
    await this.#holder?.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Builds a machine for a test; it is removed when its owner ends. */
export async function buildMachine(
  owner: Owner,
  role: Role,
  attributes: Record<string, string>,
  realPorts: number[] = [],
): Promise<Machine> {
  const machine = new Machine(role, attributes, realPorts);
  owner.after(() => machine.dispose());
  await machine.build();
  return machine;
}
