/** The gateway's connection to NATS. */

import { readFileSync } from "node:fs";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { connectionOptions, readNatsServers } from "@odin-ws/publisher/nats-servers";
import type { Config } from "../config.ts";

export type NatsSettings = Pick<Config, "NATS_URL" | "NATS_CREDS_FILE">;

/** Resolves with a connection that reconnects until it is closed. */
export function connectToNats({ NATS_URL = "", NATS_CREDS_FILE }: NatsSettings): Promise<NatsConnection> {
  return connect({
    ...connectionOptions(readNatsServers(NATS_URL)),
    ...(NATS_CREDS_FILE === undefined
      ? {}
      : { authenticator: credsAuthenticator(readFileSync(NATS_CREDS_FILE)) }),
    name: "odin-ws gateway",
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    reconnectJitter: 250,
    reconnectJitterTLS: 250,
    // With these two, a connection that has gone silent is noticed within 10 s.
    pingInterval: 5000,
    maxPingOut: 1,
  });
}
