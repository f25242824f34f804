/** Runs the gateway as a real process. */

import { fileURLToPath } from "node:url";
import { type Answer, get } from "./http.ts";
import { Metrics } from "./metrics.ts";
import type { Nats } from "./nats.ts";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";
import { type Exit, HERE, type Place, ProcessGroup } from "./process-group.ts";
import { eventually, within } from "./wait.ts";

const MAIN = fileURLToPath(new URL("../../server/src/main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

// Loading the sources takes 1 s on an idle core, and several seconds when tests share the core.
const START_MS = 30_000; // 30 s

export type Env = Record<string, string>;

export interface Stats {
  version: string;
  instance: string;
  epoch: string;
  offset: number;
  connections: number;
  subscriptions: number;
  messages_in: number;
  deliveries: number;
  dropped: number;
  cpu_percent: number;
  rss_bytes: number;
  uptime_seconds: number;
  draining: boolean;
}

export interface GatewayOptions {
  /**
   * NATS server that the gateway reads. Default: the simulator is the source, unless `env` names another
   * source.
   */
  nats?: Nats;
  env?: Env;
  /**
   * Endpoint that must answer 200 before `startGateway` returns. "live" is for a gateway that cannot become
   * healthy.
   */
  until?: "health" | "live";
  /** Commands of sh that run before the gateway, in its process: "ulimit -n 100". */
  shell?: string;
  /** Default: the network of the test. */
  place?: Place;
}

export class Gateway {
  readonly process: ProcessGroup;
  readonly wsPort: number;
  readonly opsPort: number;
  readonly host: string;
  readonly url: string;

  constructor(wsPort: number, opsPort: number, env: Env, shell?: string, { host, enter }: Place = HERE) {
    this.wsPort = wsPort;
    this.opsPort = opsPort;
    this.host = host;
    this.url = `ws://${host}:${wsPort}/ws`;
    const command = [process.execPath, MAIN];
    const inShell = shell === undefined ? command : ["sh", "-c", `${shell}; exec "$@"`, "sh", ...command];
    const [program = "", ...args] = [...enter, ...inShell];
    this.process = new ProcessGroup(program, args, gatewayEnv(wsPort, opsPort, env));
  }

  ops(path: string): Promise<Answer> {
    return get(`http://${this.host}:${this.opsPort}${path}`);
  }

  async stats(): Promise<Stats> {
    return JSON.parse((await this.ops("/stats")).body) as Stats;
  }

  async metrics(): Promise<Metrics> {
    return new Metrics((await this.ops("/metrics")).body);
  }

  /** Waits until `/health` answers with this status and returns the answer. */
  health(status: 200 | 503, deadline?: number): Promise<Answer> {
    return eventually(
      () => `/health ${status} of the gateway:\n${this.process.tail()}`,
      async () => {
        const answer = await this.ops("/health");
        return answer.status === status && answer;
      },
      deadline,
    );
  }

  /** Waits until the sum of a metric's series satisfies `wanted`, and returns it. */
  async metric(
    name: string,
    labels: Record<string, string>,
    wanted: (value: number) => boolean,
    deadline?: number,
  ): Promise<number> {
    let last = Number.NaN;
    await eventually(
      () => `${name}${JSON.stringify(labels)}, last ${last}`,
      async () => {
        last = (await this.metrics()).sum(name, labels);
        return wanted(last);
      },
      deadline,
    );
    return last;
  }

  /** Fails when the process has ended or when `/live` does not answer 200. */
  async assertAlive(): Promise<void> {
    if (this.process.exit !== undefined) {
      throw new Error(`the gateway ended with ${JSON.stringify(this.process.exit)}:\n${this.process.tail()}`);
    }
    const { status } = await this.ops("/live");
    if (status !== 200) throw new Error(`/live answered ${status}:\n${this.process.tail()}`);
  }

  /** Signals the first process, and waits until it and every process that it started have ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM", deadline?: number): Promise<Exit> {
    this.process.signal(signal);
    const exit = await within(
      () => `exit after ${signal}:\n${this.process.tail()}`,
      this.process.exited,
      deadline,
    );
    await this.noProcessLeft();
    return exit;
  }

  /** Waits until no process of the gateway is left. */
  noProcessLeft(): Promise<unknown> {
    return eventually(
      () =>
        `the end of all processes of the gateway; still there: ${JSON.stringify(this.process.processes())}`,
      () => this.process.processes().length === 0,
    );
  }
}

/** Starts a gateway and waits until it is ready. The gateway ends with its owner. */
export async function startGateway(owner: Owner, options: GatewayOptions = {}): Promise<Gateway> {
  const env: Env = { ...options.env };
  if (options.nats !== undefined) env.NATS_URL ??= options.nats.url;
  const gateway = new Gateway(await freePort(), await freePort(), env, options.shell, options.place);
  owner.after(() => gateway.process.dispose());
  const path = options.until === "live" ? "/live" : "/health";
  let last = "";
  await eventually(
    () => `${path} of the gateway, last "${last}":\n${gateway.process.tail()}`,
    async () => {
      if (gateway.process.exit !== undefined) return true;
      const { status, body } = await gateway.ops(path);
      last = `${status} ${body}`;
      return status === 200;
    },
    START_MS,
  );
  await gateway.assertAlive();
  return gateway;
}

/** Runs a gateway with wrong settings and waits until it ends by itself. */
export async function runGateway(owner: Owner, env: Env, shell?: string): Promise<Exit & { output: string }> {
  const gateway = new Gateway(await freePort(), await freePort(), env, shell);
  owner.after(() => gateway.process.dispose());
  const exit = await within(
    () => `end of a gateway with wrong settings:\n${gateway.process.tail()}`,
    gateway.process.exited,
    START_MS,
  );
  return { ...exit, output: gateway.process.output };
}

// The gateway does not inherit the environment of the developer's shell, which must not affect a test. An
// empty value in `env` means that the variable is not set.
function gatewayEnv(wsPort: number, opsPort: number, env: Env): Env {
  const all: Env = {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? ROOT,
    // `npm test` sets this folder. It saves half of the CPU time of a start.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
    WS_PORT: String(wsPort),
    OPS_PORT: String(opsPort),
    AUTH_MODE: "none",
    WS_WORKER_POOL_SIZE: "1",
    WS_DRAIN_SECONDS: "1",
    GCP_METRICS: "off",
    LOG_LEVEL: "info",
    // The tests themselves keep both cores busy. Only the tests of admission may see an overload.
    WS_CPU_LIMIT: "64",
    ...env,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}
