/** TCP proxies that delay bytes, like a slow machine. */

import { connect, createServer, type Socket } from "node:net";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";

/** Where a relay connects to. */
export interface RelayTarget {
  port: number;
  host: string;
}

/**
 * Connects each client of a free port of the loopback interface to a target. When one side closes, the other
 * side is closed too.
 *
 * @param target a port of the loopback interface, or a function that is called for each client; undefined:
 *   the client is refused
 * @param join makes the two sockets pass on bytes
 * @returns the port
 */
export async function startRelay(
  owner: Owner,
  target: number | (() => RelayTarget | undefined),
  join: (client: Socket, upstream: Socket) => void,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const to = typeof target === "number" ? { port: target, host: "127.0.0.1" } : target();
    if (to === undefined) return client.destroy();
    const upstream = connect(to.port, to.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    return join(client, upstream);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return port;
}

/** Forwards a free port of the loopback interface to `target`; bytes from `target` wait for `delay` ms. */
export function startDelayProxy(owner: Owner, target: number, delay: number): Promise<number> {
  return startRelay(owner, target, (client, upstream) => {
    client.pipe(upstream);
    upstream.on("data", (chunk) => setTimeout(() => client.write(chunk), delay));
  });
}
