/** What a connection is made from. */

import type { Socket } from "node:net";
import type { Identity } from "../entrance/auth.ts";
import type { ClientSocket } from "../entrance/client-socket.ts";
import type { ThrottleSettings } from "./throttle.ts";

/** What a token allows its bearer. */
export type Claims = Omit<Identity, "user">;

/** The claims of a client without a token. */
export const NO_CLAIMS: Claims = { expiresAt: 0, channels: undefined };

export interface ConnectionOptions {
  id: string;
  ws: ClientSocket;
  socket: Socket;
  identity: Identity | undefined;
  /** The client's address as log lines show it. Default: none. */
  address?: string | undefined;
  throttle: ThrottleSettings;
  /**
   * Ids of the dictionaries that the client has kept; undefined: the client did not ask for the compact
   * encoding.
   */
  dictionaries?: ReadonlySet<string> | undefined;
  /** Time of the upgrade on the steady clock, seconds. */
  second: number;
  /** Seconds until the first ping. Default: the same as between two pings. */
  firstPing?: number;
}
