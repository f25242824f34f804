/** The measured gateway: its processes, its operations port, its end. */

import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../nats.ts";
import { cpuMicros, NODE_FLAGS, processTree, rssBytes, run, stop } from "../process.ts";
import { proportionalBytes } from "./kernel.ts";

const START_TIMEOUT_MS = 120_000; // 2 min
const MAIN = fileURLToPath(new URL("../../server/src/main.ts", import.meta.url));

export interface GatewayOptions {
  nats: string;
  connections: number;
  workers: number;
  /** Cores of the machine. */
  cores: number;
  /** Bytes of the machine. */
  memory: number;
  /** Further settings of the gateway. */
  settings: Readonly<Record<string, string>>;
}

export interface Usage {
  /** Resident memory of all processes: memory that processes share counts in each of them, bytes. */
  rss: number;
  /** The same, with shared memory counted once, bytes. */
  pss: number;
  /** CPU time since the start, µs. */
  cpu: number;
  processes: number;
}

export class GatewayFleet {
  readonly port: number;
  readonly #opsPort: number;
  readonly #options: GatewayOptions;
  #child: ChildProcess | undefined;

  private constructor(options: GatewayOptions, port: number, opsPort: number) {
    this.#options = options;
    this.port = port;
    this.#opsPort = opsPort;
  }

  static async start(options: GatewayOptions): Promise<GatewayFleet> {
    const fleet = new GatewayFleet(options, await freePort(), await freePort());
    await fleet.start();
    return fleet;
  }

  /** Starts the processes, also after `kill`; resolves when the gateway wants clients. */
  async start(): Promise<void> {
    const { nats, connections, workers, cores, memory, settings } = this.#options;
    this.#child = run(process.execPath, [...NODE_FLAGS, MAIN], {
      NATS_URL: nats,
      AUTH_MODE: "none",
      LOG_LEVEL: "error",
      GCP_METRICS: "off",
      WS_PORT: String(this.port),
      OPS_PORT: String(this.#opsPort),
      WS_WORKER_POOL_SIZE: String(workers),
      WS_MAX_CONNECTIONS: String(connections),
      // The gateway has all cores and all memory: its limits for a machine of its own must not end the
      // measurement.
      WS_CPU_LIMIT: String(cores * 2),
      WS_MEMORY_LIMIT: String(memory),
      ...settings,
    });
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadline && this.#child.exitCode === null) {
      const answer = await fetch(`${this.#ops}/health`).catch(() => undefined);
      if (answer?.ok) return;
      await sleep(100);
    }
    throw new Error(`the gateway did not become healthy within ${START_TIMEOUT_MS / 1000} s`);
  }

  get #ops(): string {
    return `http://127.0.0.1:${this.#opsPort}`;
  }

  get #pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error("the gateway does not run");
    return pid;
  }

  usage(): Usage {
    const pids = processTree(this.#pid);
    return {
      rss: rssBytes(pids),
      pss: proportionalBytes(pids),
      cpu: cpuMicros(pids),
      processes: pids.length,
    };
  }

  /** Connections that the gateway counts. */
  async connections(): Promise<number> {
    const answer = await fetch(`${this.#ops}/stats`);
    return ((await answer.json()) as { connections: number }).connections;
  }

  /** Refusals of the gateway by reason, without reasons that did not occur. */
  async refusals(): Promise<Record<string, number>> {
    const text = await (await fetch(`${this.#ops}/metrics`)).text();
    const found = text.matchAll(/^ws_connections_rejected_total\{reason="(\w+)"\} (\d+)/gm);
    return Object.fromEntries(
      [...found]
        .map(([, reason, count]) => [reason, Number(count)] as const)
        .filter(([, count]) => count > 0),
    );
  }

  /** Kills one worker, as a crash would. */
  killWorker(): void {
    const [, worker] = processTree(this.#pid);
    if (worker === undefined || this.#options.workers < 2)
      throw new Error("the gateway has no worker processes");
    process.kill(worker, "SIGKILL");
  }

  /** Kills all processes of the gateway. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await stop(this.#child);
    this.#child = undefined;
  }
}
