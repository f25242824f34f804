/**
 * The global entrance: sends each new connection to the nearest region that is healthy. Connections stay
 * where they are when another region becomes healthy again.
 */

import { startRelay } from "../../harness/delay-proxy.ts";
import type { Gateway } from "../../harness/gateway.ts";
import type { Owner } from "../../harness/owner.ts";

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
  owner.after(() => clearInterval(timer));
  const target = () => healthy[0] && { port: healthy[0].wsPort, host: healthy[0].host };
  const port = await startRelay(owner, target, (client, upstream) => {
    client.pipe(upstream);
    upstream.pipe(client);
  });
  return `ws://127.0.0.1:${port}/ws`;
}
