/** Finds free TCP ports. */

import { createServer } from "node:net";

// These ports are below the range of outgoing connections (from 32768 on Linux, 49152 elsewhere). A free port
// therefore stays free until a server takes it, and also while that server is down between kill and restart.
const FIRST = 20_000;
const COUNT = 12_000;

const taken = new Set<number>();

/** A free port that this process has not returned before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (taken.has(port)) continue;
    taken.add(port);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
