/** The measured servers. Each one is a process of its own, with a health check for the load balancer. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "../nats.ts";
import { NODE_FLAGS, run, runModule } from "../process.ts";
import type { ClientName } from "./load-messages.ts";

const START_TIMEOUT_MS = 30_000; // 30 s

export interface Server {
  child: ChildProcess;
  /** Port for clients. */
  port: number;
  /** Answers 200 while the server wants new clients. */
  health: string;
}

export interface Peer {
  name: ClientName;
  title: string;
  start(options: { nats: string; drainSeconds: number }): Promise<Server>;
}

const MAIN = fileURLToPath(new URL("../../server/src/main.ts", import.meta.url));

export const PEERS: readonly Peer[] = [
  {
    name: "odin",
    title: "odin-ws",
    async start({ nats, drainSeconds }) {
      const [port, opsPort] = [await freePort(), await freePort()];
      const child = run(process.execPath, [...NODE_FLAGS, MAIN], {
        NATS_URL: nats,
        AUTH_MODE: "none",
        LOG_LEVEL: "warn",
        GCP_METRICS: "off",
        WS_PORT: String(port),
        OPS_PORT: String(opsPort),
        WS_WORKER_POOL_SIZE: "1",
        WS_DRAIN_SECONDS: String(drainSeconds),
      });
      const server = { child, port, health: `http://127.0.0.1:${opsPort}/health` };
      await isHealthy(server);
      return server;
    },
  },
  {
    name: "socketio",
    title: "Socket.IO",
    async start({ nats, drainSeconds }) {
      const child = runModule(new URL("./peer-socketio.ts", import.meta.url), [nats, String(drainSeconds)]);
      const [ready] = await once(child, "message", { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
      const { port } = ready as { port: number };
      return { child, port, health: `http://127.0.0.1:${port}/health` };
    },
  },
];

async function isHealthy({ health, child }: Server): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(health).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(50);
  }
  throw new Error(`a gateway did not become healthy within ${START_TIMEOUT_MS / 1000} s`);
}
