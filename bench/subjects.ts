/** The subjects of the bench: the measured servers, and how each one is started. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/transport-node";
import type { DialectName } from "./dialects.ts";
import { freePort, type NatsServer, startNats } from "./nats.ts";
import { NODE_FLAGS, processTree, run, runModule, stop } from "./process.ts";

const START_TIMEOUT_MS = 20_000; // 20 s

export interface Server {
  port: number;
  /** Processes whose CPU and memory are measured. */
  pids: readonly number[];
  /** Connection on which messages for this server are published. */
  publisher: NatsConnection;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Path of the program nats-server. */
  nats: string;
  connections: number;
  /** IPv4 address on which nats-server accepts WebSocket clients. */
  host: string;
}

export interface Subject {
  name: string;
  title: string;
  dialect: DialectName;
  deflate: boolean;
  /** Measured in every round. The others are only for comparison and are measured in the first round. */
  everyRound: boolean;
  /** Measured also in the busy windows, and on the wire. */
  busy?: true;
  /** The server cannot keep up with the messages, so its windows are a third as long. */
  slow?: true;
  start(options: StartOptions): Promise<Server>;
}

const pidOf = ({ pid }: ChildProcess): number => {
  if (pid === undefined) throw new Error("a server process could not be started");
  return pid;
};

/** Waits until the gateway's health check answers with 200. */
async function healthy(opsPort: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let last = "";
  while (Date.now() < deadline && child.exitCode === null) {
    try {
      const response = await fetch(`http://127.0.0.1:${opsPort}/health`);
      if (response.ok) return;
      last = `${response.status} ${await response.text()}`;
    } catch (error) {
      last = String((error as Error).cause ?? error);
    }
    await sleep(50);
  }
  throw new Error(`the gateway did not become healthy within ${START_TIMEOUT_MS / 1000} s: ${last}`);
}

/** Starts a NATS server of its own for the subject, then the subject. */
async function startWithSource(
  nats: string,
  start: (source: NatsServer) => Promise<{ child: ChildProcess; port: number }>,
): Promise<Server> {
  const source = await startNats(nats);
  const stopSource = async () => {
    await source.connection.close();
    await stop(source.process);
  };
  try {
    const { child, port } = await start(source);
    return {
      port,
      pids: processTree(pidOf(child)),
      publisher: source.connection,
      async stop() {
        await stop(child);
        await stopSource();
      },
    };
  } catch (error) {
    await stopSource();
    throw error;
  }
}

/** Starts a gateway with these settings. */
export const gateway =
  (workers: number, env: NodeJS.ProcessEnv = {}) =>
  ({ nats, connections }: StartOptions) =>
    startWithSource(nats, async ({ url }) => {
      const [port, opsPort] = [await freePort(), await freePort()];
      const child = run(
        process.execPath,
        [...NODE_FLAGS, fileURLToPath(new URL("../server/src/main.ts", import.meta.url))],
        {
          NATS_URL: url,
          AUTH_MODE: "none",
          LOG_LEVEL: "warn",
          GCP_METRICS: "off",
          WS_PORT: String(port),
          OPS_PORT: String(opsPort),
          WS_WORKER_POOL_SIZE: String(workers),
          WS_COMPRESSION: "true",
          WS_MAX_CONNECTIONS: String(Math.max(connections, 10_000)),
          ...env,
        },
      );
      await healthy(opsPort, child);
      return { child, port };
    });

const peer =
  (module: string, ...args: string[]) =>
  ({ nats }: StartOptions) =>
    startWithSource(nats, async ({ url }) => {
      const child = runModule(new URL(module, import.meta.url), [url, ...args]);
      const signal = AbortSignal.timeout(START_TIMEOUT_MS);
      const [ready] = (await once(child, "message", { signal })) as [{ port: number }];
      return { child, port: ready.port };
    });

const natsServer =
  (wsCompression: boolean) =>
  async ({ nats, host }: StartOptions): Promise<Server> => {
    const server = await startNats(nats, { wsCompression, wsHost: host });
    return {
      port: server.wsPort,
      pids: [pidOf(server.process)],
      publisher: server.connection,
      async stop() {
        await server.connection.close();
        await stop(server.process);
      },
    };
  };

/** WS_WRITE_DELAY_MS of the subject that uses it. */
const WRITE_DELAY_MS = 20;

/** All subjects, in the order of a round: subjects that are compared run one after the other. */
export const SUBJECTS: readonly Subject[] = [
  {
    name: "gateway",
    title: "odin-ws, plain",
    dialect: "odin",
    deflate: false,
    everyRound: true,
    busy: true,
    start: gateway(1),
  },
  {
    name: "ws",
    title: "bare ws, plain",
    dialect: "odin",
    deflate: false,
    everyRound: true,
    busy: true,
    start: peer("./peer-ws.ts"),
  },
  {
    name: "gateway-deflate",
    title: "odin-ws, compressed",
    dialect: "odin",
    deflate: true,
    everyRound: true,
    busy: true,
    start: gateway(1),
  },
  {
    name: "gateway-compact",
    title: "odin-ws, compact",
    dialect: "odin-compact",
    deflate: false,
    everyRound: true,
    busy: true,
    start: gateway(1),
  },
  {
    name: "ws-deflate",
    title: "bare ws, compressed",
    dialect: "odin",
    deflate: true,
    everyRound: false,
    slow: true,
    start: peer("./peer-ws.ts", "deflate"),
  },
  {
    name: "socketio",
    title: "Socket.IO, plain",
    dialect: "socketio",
    deflate: false,
    everyRound: false,
    start: peer("./peer-socketio.ts"),
  },
  {
    name: "nats",
    title: "nats-server, plain",
    dialect: "nats",
    deflate: false,
    everyRound: true,
    busy: true,
    start: natsServer(false),
  },
  {
    name: "nats-deflate",
    title: "nats-server, compressed",
    dialect: "nats",
    deflate: true,
    everyRound: false,
    start: natsServer(true),
  },
  {
    name: "gateway-delay",
    title: `odin-ws, plain, ${WRITE_DELAY_MS} ms delay`,
    dialect: "odin",
    deflate: false,
    everyRound: true,
    busy: true,
    start: gateway(1, { WS_WRITE_DELAY_MS: String(WRITE_DELAY_MS) }),
  },
  {
    name: "gateway-2",
    title: "odin-ws, plain, 2 workers",
    dialect: "odin",
    deflate: false,
    everyRound: false,
    start: gateway(2),
  },
];
