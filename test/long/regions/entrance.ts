/**
 * The global entrance: sends each new connection to the nearest region that is healthy. Connections stay
 * where they are when another region becomes healthy again.
 */

import { connect, createServer, type Socket } from "node:net";
import type { Gateway } from "../../harness/gateway.ts";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";

const CHECK_MS = 250;

/**
 * @param nearest the gateways of all regions, the nearest first
 * @returns the address for clients
 */
export async function startEntrance(owner: Owner, nearest: () => readonly Gateway[]): Promise<string> {
  let healthy: readonly Gateway[] = nearest();
  const look = async () => {
    const found = await Promise.all(
      nearest().map(async (gateway) => {
        const answer = await gateway.ops("/health").catch(() => undefined);
        return answer?.status === 200 ? [gateway] : [];
      }),
    );
    healthy = found.flat();
  };
  const timer = setInterval(() => void look(), CHECK_MS);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const [gateway] = healthy;
    if (gateway === undefined) return client.destroy();
    const upstream = connect(gateway.wsPort, gateway.host);
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
      socket.pipe(other);
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    clearInterval(timer);
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `ws://127.0.0.1:${port}/ws`;
}
