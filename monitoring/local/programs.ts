import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProgramName } from "@odin-ws/tools/program-table";
import { findProgram } from "@odin-ws/tools/programs";
import { localAddress, PORTS, type Ports } from "../services/ports.ts";

/** Prometheus, Alertmanager and Loki as they run on a laptop. */
export interface LocalMonitoring {
  /** Programs that were found and started. */
  names: readonly LocalProgram[];
  /** Base URLs by name of the program. */
  urls: Record<LocalProgram, string>;
  /** Resolves when all programs are ready. Rejects when a program ends, or is not ready within a minute. */
  ready: Promise<void>;
  /** Resolves with a message when a program ends by itself. */
  failed: Promise<string>;
  /** Stops all programs and removes their files. */
  stop(): Promise<void>;
  /** Kills all programs (SIGKILL) and removes their files at once. */
  kill(): void;
}

export type LocalProgram = "prometheus" | "alertmanager" | "loki";

export const LOCAL_PROGRAMS: readonly LocalProgram[] = ["prometheus", "alertmanager", "loki"];

const READY_LIMIT_MS = 60_000; // ms
const KILL_AFTER_MS = 10_000; // ms from SIGTERM to SIGKILL
const KEPT_OUTPUT = 4_000; // characters of a program's last output that are kept for error messages

/**
 * Starts Prometheus, Alertmanager and Loki, as far as they are on PATH or in the tools cache. The programs
 * run in a temporary folder with the given files.
 *
 * @param files configuration files, rendered for this machine
 * @param ports the ports that the files use
 */
export function startLocal(files: Record<string, string>, ports: Partial<Ports> = {}): LocalMonitoring {
  const folder = mkdtempSync(join(tmpdir(), "odin-monitoring-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, "files", path)), { recursive: true });
    writeFileSync(join(folder, "files", path), content);
  }
  const urls = Object.fromEntries(
    LOCAL_PROGRAMS.map((name) => [name, `http://${localAddress(name, ports)}`]),
  ) as Record<LocalProgram, string>;
  const running = LOCAL_PROGRAMS.flatMap((name) => {
    const path = findProgram(name satisfies ProgramName);
    return path === undefined ? [] : [new Program(name, path, folder, { ...PORTS, ...ports }[name])];
  });
  let stopping = false;
  return {
    names: running.map(({ name }) => name),
    urls,
    ready: Promise.all(running.map((program) => program.ready(urls[program.name]))).then(() => {}),
    failed: new Promise((resolve) => {
      for (const program of running)
        void program.ended.then(() => {
          if (!stopping) resolve(program.problem());
        });
    }),
    async stop() {
      stopping = true;
      await Promise.all(running.map((program) => program.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
    kill() {
      stopping = true;
      for (const program of running) program.kill();
      // The programs may write until they have ended.
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
    },
  };
}

const READY_PATH = { prometheus: "/-/ready", alertmanager: "/-/ready", loki: "/ready" };

/** Arguments as on the monitoring VM, except that the programs listen on 127.0.0.1 only. */
function argumentsOf(name: LocalProgram, files: string, data: string, port: number): string[] {
  switch (name) {
    case "prometheus":
      return [
        `--config.file=${files}/prometheus/prometheus.yml`,
        `--storage.tsdb.path=${data}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--web.enable-lifecycle",
        // The default is a minute. An alert that fires before Alertmanager is ready is sent again soon.
        "--rules.alert.resend-delay=5s",
        "--log.level=warn",
      ];
    case "alertmanager":
      return [
        `--config.file=${files}/alertmanager/alertmanager.yml`,
        `--storage.path=${data}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--cluster.listen-address=",
        "--log.level=warn",
      ];
    case "loki":
      return [
        `-config.file=${files}/loki/loki.yml`,
        "-config.expand-env=true",
        "-server.http-listen-address=127.0.0.1",
      ];
  }
}

class Program {
  readonly name: LocalProgram;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  #output = "";
  #exit: string | undefined;

  constructor(name: LocalProgram, path: string, folder: string, port: number) {
    this.name = name;
    const data = join(folder, name);
    mkdirSync(data);
    this.#child = spawn(path, argumentsOf(name, join(folder, "files"), data, port), {
      cwd: data,
      env: { PATH: process.env.PATH ?? "", HOME: data, LOKI_DATA: data },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const collect = (chunk: Buffer) => {
      this.#output = (this.#output + chunk).slice(-KEPT_OUTPUT);
    };
    this.#child.stdout?.on("data", collect);
    this.#child.stderr?.on("data", collect);
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#exit ??= how;
        resolve();
      };
      this.#child.once("close", (code, signal) => end(`ended with ${signal ?? code}`));
      this.#child.once("error", (error) => end(`could not be started: ${error.message}`));
    });
  }

  problem(): string {
    return `${this.name} ${this.#exit ?? "is not ready"}; its last output:\n${this.#output.trim() || "(nothing)"}`;
  }

  async ready(url: string): Promise<void> {
    const end = Date.now() + READY_LIMIT_MS;
    while (Date.now() < end && this.#exit === undefined) {
      const answer = await fetch(url + READY_PATH[this.name]).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      await sleep(100);
    }
    throw new Error(this.problem());
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), KILL_AFTER_MS);
    await this.ended;
    clearTimeout(late);
  }
}
