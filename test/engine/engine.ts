/** The real Pulumi engine on a project of a test, with a fake cloud. */

import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import type { Owner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { within } from "../harness/wait.ts";
import { guardFolder } from "../harness/watchdog.ts";
import { FakeCloud } from "./fake-cloud.ts";
import { type Program, serveLanguage } from "./language-host.ts";
import { serveProvider } from "./provider-server.ts";

/** A guard against a run of the engine that hangs, and no check of speed: a run takes seconds. */
const RUN_LIMIT_MS = 600_000; // 10 min, less than the limit of one test

/** Packages without a condition; `docker` needs a daemon. */
const PACKAGES = ["gcp", "command", "random", "tls"];

/**
 * The engine's decision about one resource: `create`, `update`, `create-replacement`, `delete-replaced`,
 * `delete`, …
 */
export interface Step {
  op: string;
  type: string;
  /** Logical name. */
  name: string;
}

/** The result of one run of the engine. */
export interface Run {
  exitCode: number;
  /** Everything that the engine printed, without colours. */
  output: string;
  /**
   * Steps that the engine took, or would take in a preview; without unchanged resources, and without
   * components.
   */
  steps: Step[];
  /** Number of unchanged resources. */
  same: number;
  /** Errors and warnings that the engine, the program or a provider reported. */
  messages: string[];
}

/** Parts of a stack. */
export interface StackOptions {
  program: Program;
  stack: string;
  /** Files of the project, for example `Pulumi.yaml`, by name. */
  files: Record<string, string>;
  cloud?: FakeCloud;
  /**
   * True: the engine writes the state before and after each step, as it does for a person, so that a killed
   * engine leaves what a person finds. Default: only at the end of a run, because otherwise the writing takes
   * a quarter of the engine's CPU time.
   */
  checkpoints?: boolean;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The `skip` of a suite that needs the engine.
 *
 * @throws Error in CI without the engine, where no test may be skipped
 */
export function withoutEngine(): string | false {
  if (findProgram("pulumi") !== undefined) return false;
  if (process.env.CI === "true") throw new Error(howToGet("pulumi"));
  return howToGet("pulumi");
}

/**
 * A stack in its own project, with its own state and settings. Nothing in the user's home is read or written.
 */
export class Stack {
  readonly cloud: FakeCloud;
  readonly name: string;
  /** Folder of Pulumi.yaml. */
  readonly folder: string;
  program: Program;
  readonly #engine: string;
  readonly #env: Record<string, string>;
  #runs = 0;

  constructor(
    options: StackOptions,
    engine: string,
    folder: string,
    ports: { cloud: number; docker: number; program: number },
    cloud: FakeCloud,
  ) {
    this.cloud = cloud;
    this.name = options.stack;
    this.program = options.program;
    this.folder = join(folder, "project");
    this.#engine = engine;
    this.#env = {
      PATH: process.env.PATH ?? "",
      HOME: join(folder, "home"),
      PULUMI_HOME: join(folder, "home"),
      PULUMI_BACKEND_URL: `file://${folder}/state`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_DEBUG_COMMANDS: "true", // enables --event-log
      PULUMI_DISABLE_CI_DETECTION: "true",
      // The state is written once at the end of a run, not after each step. The engine then takes 20 s
      // of CPU time in limits.test.ts instead of 27 s. PULUMI_SKIP_CHECKPOINTS needs PULUMI_EXPERIMENTAL.
      ...(options.checkpoints ? {} : { PULUMI_SKIP_CHECKPOINTS: "true", PULUMI_EXPERIMENTAL: "true" }),
      PULUMI_DEBUG_PROVIDERS: [
        ...PACKAGES.map((name) => `${name}:${ports.cloud}`),
        `docker:${ports.docker}`,
      ].join(","),
      PULUMI_DEBUG_LANGUAGES: `nodejs:${ports.program}`,
    };
  }

  up(...args: string[]): Promise<Run> {
    return this.run("up", "--yes", "--skip-preview", ...args);
  }

  preview(...args: string[]): Promise<Run> {
    return this.run("preview", ...args);
  }

  destroy(...args: string[]): Promise<Run> {
    return this.run("destroy", "--yes", "--skip-preview", ...args);
  }

  refresh(...args: string[]): Promise<Run> {
    return this.run("refresh", "--yes", "--skip-preview", ...args);
  }

  /**
   * Sets keys of the configuration; `zones[0]` and `gateway.WS_DRAIN_SECONDS` are items of lists and maps.
   */
  async configure(plain: Record<string, string>, secret: Record<string, string> = {}): Promise<void> {
    const named = (option: string, values: Record<string, string>) =>
      Object.entries(values).flatMap(([key, value]) => [option, `${key}=${value}`]);
    await this.pulumi(
      "config",
      "set-all",
      "--path",
      ...named("--plaintext", plain),
      ...named("--secret", secret),
    );
  }

  /** The stack's state as the file has it, with encrypted secrets. */
  async state(): Promise<string> {
    return readFile(this.#stateFile, "utf8");
  }

  get #stateFile(): string {
    return join(this.folder, "..", "state", ".pulumi", "stacks", "odin-ws", `${this.name}.json`);
  }

  /** Replaces the state by the text that `pulumi stack export --show-secrets` printed. */
  async importState(exported: string): Promise<void> {
    const file = join(this.folder, "..", "imported.json");
    await writeFile(file, exported);
    await this.pulumi("stack", "import", "--stack", this.name, "--file", file);
  }

  /**
   * Starts a command that works on resources, and kills the engine with SIGKILL at `moment`. The fake cloud
   * ends the operation that is in flight, as the real cloud does. A state that was being written is the one
   * before: a bucket of Google Cloud replaces an object at once, and a file is cut.
   *
   * @throws Error with the output when the engine ends before
   */
  async kill(moment: Promise<unknown>, command: string, ...args: string[]): Promise<void> {
    const all = [command, "--stack", this.name, "--color", "never", "--yes", "--skip-preview", ...args];
    const child = new ProcessGroup(this.#engine, ["--cwd", this.folder, ...all], this.#env);
    try {
      const early = child.exited.then(() => {
        throw new Error(`pulumi ${command} ended before it was killed:\n${child.tail()}`);
      });
      await within(() => `pulumi ${command}:\n${child.tail()}`, Promise.race([moment, early]), RUN_LIMIT_MS);
    } finally {
      await child.dispose();
    }
    if (!isJson(await this.state())) await copyFile(`${this.#stateFile}.bak`, this.#stateFile);
  }

  /** Runs any command of `pulumi`. @throws Error with the output when the command fails */
  async pulumi(...args: string[]): Promise<string> {
    const { exitCode, output } = await this.#spawn(this.#engine, ["--cwd", this.folder, ...args]);
    if (exitCode !== 0) throw new Error(`pulumi ${args.join(" ")} ended with ${exitCode}:\n${output}`);
    return output;
  }

  /** Runs a command that works on resources. */
  async run(command: string, ...args: string[]): Promise<Run> {
    const log = join(this.folder, "..", `events-${++this.#runs}.json`);
    const all = [
      command,
      "--stack",
      this.name,
      "--color",
      "never",
      "--non-interactive",
      "--event-log",
      log,
      ...args,
    ];
    const { exitCode, output } = await this.#spawn(this.#engine, ["--cwd", this.folder, ...all]);
    const lines = existsSync(log) ? (await readFile(log, "utf8")).split("\n").filter(Boolean) : [];
    return { exitCode, output, ...summary(lines.map((line) => JSON.parse(line) as EngineEvent)) };
  }

  /**
   * Runs lines of bash as a person types them, in the project's folder. `pulumi` runs this engine, which asks
   * no questions. `pulumi up` makes no preview, which would take as long as the update, except after
   * `export PREVIEW=yes`.
   *
   * @throws Error with all output when the last line fails
   */
  async shell(lines: string, env: Record<string, string> = {}): Promise<string> {
    const bin = join(this.folder, "..", "bin");
    await mkdir(bin, { recursive: true });
    const script = `#!/bin/sh
case "$1" in up | cancel | destroy) set -- "$@" --yes ;; esac
[ "$1" != up ] || [ "$PREVIEW" = yes ] || set -- "$@" --skip-preview
exec '${this.#engine}' --non-interactive --color never "$@"
`;
    await writeFile(join(bin, "pulumi"), script, { mode: 0o755 });
    const path = `${bin}:${this.#env.PATH}`;
    const all = ["-euo", "pipefail", "-c", `cd '${this.folder}'\n${lines}`];
    const { exitCode, output } = await this.#spawn("bash", all, { ...env, PATH: path });
    if (exitCode !== 0) throw new Error(`${lines}\nended with ${exitCode}:\n${output}`);
    return output;
  }

  async #spawn(
    program: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ exitCode: number; output: string }> {
    const child = new ProcessGroup(program, args, { ...this.#env, ...env });
    try {
      const { code } = await within(
        () => `${program} ${args.join(" ")}:\n${child.tail()}`,
        child.exited,
        RUN_LIMIT_MS,
      );
      return { exitCode: code ?? -1, output: child.output };
    } finally {
      await child.dispose();
    }
  }
}

interface EngineEvent {
  resourcePreEvent?: { metadata: { op: string; type: string; urn: string; provider?: string } };
  diagnosticEvent?: { severity: string; message: string };
}

function summary(events: readonly EngineEvent[]): Pick<Run, "steps" | "same" | "messages"> {
  const all = events.flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? []);
  // Components and the stack have no provider.
  const resources = all.filter(
    ({ op, provider, type }) => op !== "refresh" && provider && !type.startsWith("pulumi:"),
  );
  const isSame = (op: string) => op === "same";
  return {
    steps: resources
      .filter(({ op }) => !isSame(op))
      .map(({ op, type, urn }) => ({ op, type, name: urn.split("::").at(-1) ?? "" })),
    same: resources.filter(({ op }) => isSame(op)).length,
    messages: events
      .flatMap(({ diagnosticEvent }) => diagnosticEvent ?? [])
      .filter(({ severity }) => severity === "error" || severity === "warning")
      .map(({ message }) => message),
  };
}

/** Creates an empty stack. The stack and all its files are removed with `owner`. */
export async function newStack(owner: Owner, options: StackOptions): Promise<Stack> {
  const engine = findProgram("pulumi");
  if (engine === undefined) throw new Error(howToGet("pulumi"));
  const folder = await mkdtemp(join(tmpdir(), "odin-engine-"));
  guardFolder(folder);
  owner.after(() => rm(folder, { recursive: true, force: true }));
  for (const name of ["project", "home", "state"]) await mkdir(join(folder, name));
  for (const [name, content] of Object.entries(options.files))
    await writeFile(join(folder, "project", name), content);
  const cloud = options.cloud ?? new FakeCloud();
  const provider = await serveProvider(cloud);
  owner.after(() => provider.stop());
  const docker = await serveProvider(cloud, () => cloud.configureDocker());
  owner.after(() => docker.stop());
  const host = await serveLanguage(() => stack.program);
  owner.after(() => host.stop());
  const ports = { cloud: provider.port, docker: docker.port, program: host.port };
  const stack = new Stack(options, engine, folder, ports, cloud);
  await stack.pulumi("stack", "init", options.stack);
  return stack;
}
