/** A TCP proxy that delivers the bytes of the server late, like a slow machine. */

import { connect, createServer, type Socket } from "node:net";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";

/** Forwards a free port of the loopback interface to `target`; bytes from `target` wait for `delay` ms. */
export async function startDelayProxy(owner: Owner, target: number, delay: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
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
    client.pipe(upstream);
    upstream.on("data", (chunk) => setTimeout(() => client.write(chunk), delay));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return port;
}
