import { signToken } from "@odin-ws/protocol/token";
import type { TokenSettings } from "../worker-messages.ts";

const LIFETIME_SECONDS = 86_400; // 24 h: no load test runs longer

/**
 * A token for one connection. Every connection is a user of its own, because a gateway limits the connections
 * of a user.
 */
export const tokenFor = ({ secret, ...claims }: TokenSettings, connection: number): string =>
  signToken(secret, { user: `loadtest-${connection}`, lifetimeSeconds: LIFETIME_SECONDS, ...claims });
