/** Gateways that count the connections of their users together. */

import { type Gateway, startGateway } from "../harness/gateway.ts";
import type { Nats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { issue } from "../harness/tokens.ts";
import { eventually } from "../harness/wait.ts";

const SECRET = "a secret of at least thirty-two bytes, as HS256 wants it";
export const SEATS = 3; // default of WS_MAX_CONNECTIONS_PER_USER
export const ENV = { AUTH_MODE: "jwt", JWT_SECRET: SECRET, WS_WORKER_POOL_SIZE: "1" };

let users = 0;
/** A token of another user each time. */
export const newToken = (): Promise<string> => issue(SECRET, { sub: `user-${users++}` });

interface Health {
  status: string;
  user_limit: { counted_by: string; gateways: number };
}

export async function limitOf(gateway: Gateway): Promise<Health["user_limit"]> {
  return (JSON.parse((await gateway.ops("/health")).body) as Health).user_limit;
}

/** Waits until this many gateways count together. */
export async function together(gateways: readonly Gateway[]): Promise<void> {
  const expected = { counted_by: "service", gateways: gateways.length };
  for (const gateway of gateways)
    await eventually(
      () => `gateways that count together:\n${gateway.process.tail()}`,
      async () => JSON.stringify(await limitOf(gateway)) === JSON.stringify(expected),
    );
}

/** Starts gateways with these settings, and waits until they count together. */
export async function startTogether(
  owner: Owner,
  nats: Nats,
  envs: readonly Record<string, string>[],
): Promise<Gateway[]> {
  const gateways = await Promise.all(
    envs.map((env) => startGateway(owner, { nats, env: { ...ENV, ...env } })),
  );
  await together(gateways);
  return gateways;
}
