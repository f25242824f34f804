/** The scenarios: what happens to the lines and the servers while messages flow. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Balancer } from "./balancer.ts";
import type { Loaders } from "./loaders.ts";
import type { Server } from "./servers.ts";

export interface Site {
  loaders: Loaders;
  balancer: Balancer;
  /** The servers that the clients are connected to. */
  servers: readonly Server[];
  startServer(): Promise<Server>;
  options: Timing;
}

export interface Timing {
  /** Length of the jitter, s. */
  seconds: number;
  cutEverySeconds: number;
  awaySeconds: number;
  drainSeconds: number;
}

export interface Scenario {
  name: string;
  title: string;
  clients: number;
  /** Servers at the start. */
  servers: number;
  /** From which moment an outage counts, for the report. */
  from: string;
  goal: Goal;
  run(site: Site): Promise<void>;
}

/** What the gateway must reach. Times in ms. */
export interface Goal {
  p95Ms?: number;
  p99Ms?: number;
  worstMs?: number;
}

const MS = 1000;
const SETTLE_MS = 10_000;

/** Ends the first server in this way, while a second one stands by; its clients count from that moment. */
const lose =
  (signal: "SIGKILL" | "SIGSTOP") =>
  async ({ loaders, balancer, servers, startServer }: Site): Promise<void> => {
    const [victim] = servers as [Server];
    await balancer.add(await startServer());
    await loaders.all("strike", { port: victim.port });
    // Also the workers of the server.
    process.kill(-(victim.child.pid as number), signal);
  };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "jitter",
    title: "jitter: each client is cut every 15 s for 2 s",
    clients: 10_000,
    servers: 1,
    from: "the moment at which the line is back",
    goal: { p99Ms: 1000 },
    async run({ loaders, options }) {
      await loaders.all("jitter", {
        everyMs: options.cutEverySeconds * MS,
        awayMs: options.awaySeconds * MS,
        forMs: options.seconds * MS,
      });
    },
  },
  {
    name: "redeploy",
    title: "redeploy: two servers are replaced, one after the other",
    clients: 5_000,
    servers: 2,
    from: "the end of the client's connection",
    goal: { p95Ms: 2000 },
    async run({ loaders, balancer, servers, startServer }) {
      await loaders.all("watchEnds", null);
      for (const former of servers) {
        const gone = once(former.child, "exit");
        process.kill(former.child.pid as number, "SIGTERM");
        await gone;
        await balancer.remove(former);
        await balancer.add(await startServer());
      }
    },
  },
  {
    name: "kill",
    title: "kill -9 of the server that has all clients; another one takes them",
    clients: 10_000,
    servers: 1,
    from: "the kill",
    goal: { p99Ms: 3000, worstMs: 5000 },
    run: lose("SIGKILL"),
  },
  {
    name: "vm-loss",
    title: "the server that has all clients vanishes without a packet; another one takes them",
    clients: 10_000,
    servers: 1,
    from: "the loss",
    goal: { worstMs: 12_000 },
    run: async (site) => {
      // The first heartbeats of the clients are over.
      await sleep(SETTLE_MS);
      await lose("SIGSTOP")(site);
    },
  },
];
