/** Revokes tokens: every gateway refuses them within a second and closes their connections. */

import { readFileSync } from "node:fs";
import { JetStreamApiError, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, credsAuthenticator, headers, type NatsConnection } from "@nats-io/transport-node";
import { REVOCATIONS, type Revoked, revocationSubject, TTL_HEADER } from "@odin-ws/protocol/revocation";
import { InvalidOptionsError } from "./errors.ts";
import { connectionOptions } from "./nats/nats-servers.ts";
import { NAME_IN_USE, NOT_FOUND } from "./nats/stream.ts";
import { type PublisherOptions, readOptions } from "./options.ts";
import { revocationStreamConfig } from "./stream-settings.ts";

export interface RevokeOptions
  extends Pick<PublisherOptions, "servers" | "credentialsFile" | "name" | "homeDomain"> {
  /**
   * Time after which the revocation is forgotten, seconds: at least the time that the revoked tokens are
   * still valid. Default: never, so that no token can come back.
   */
  seconds?: number;
  /** Replicas of the stream of revocations when it is created, 3 on a cluster. Default 1. */
  replicas?: number;
}

const TIMEOUT_MS = 5_000; // 5 s

/**
 * Revokes one token by its claim `jti`, or all tokens that a user (claim `sub`) has got so far. Resolves when
 * NATS has stored the revocation.
 *
 * @throws InvalidOptionsError for wrong options, and the error of NATS when the revocation was not stored
 */
export async function revoke(revoked: Revoked, options: RevokeOptions = {}): Promise<void> {
  const { seconds, replicas = 1, ...given } = options;
  const id = "jti" in revoked ? revoked.jti : revoked.user;
  if (typeof id !== "string" || id === "") throw new InvalidOptionsError(["jti or user must not be empty"]);
  if (seconds !== undefined && !(Number.isFinite(seconds) && seconds > 0))
    throw new InvalidOptionsError(["seconds must be a number above 0"]);
  const { servers, login, tls, credentialsFile, name, homeDomain } = readOptions(given);
  const connection = await connect({
    ...connectionOptions({ servers: [...servers], login, tls }),
    ...(credentialsFile !== undefined && {
      authenticator: credsAuthenticator(readFileSync(credentialsFile)),
    }),
    name,
    timeout: TIMEOUT_MS,
    reconnect: false,
  });
  try {
    await ensureStream(connection, replicas, homeDomain);
    const all = headers();
    if (seconds !== undefined) all.set(TTL_HEADER, `${Math.ceil(seconds)}s`);
    await jetstream(connection, { timeout: TIMEOUT_MS }).publish(
      revocationSubject(revoked),
      JSON.stringify(revoked),
      { headers: all, expect: { streamName: REVOCATIONS.stream } },
    );
  } finally {
    await connection.close();
  }
}

async function ensureStream(
  connection: NatsConnection,
  replicas: number,
  domain: string | undefined,
): Promise<void> {
  const options = { checkAPI: false, timeout: TIMEOUT_MS, ...(domain !== undefined && { domain }) };
  const manager = await jetstreamManager(connection, options);
  try {
    await manager.streams.info(REVOCATIONS.stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== NOT_FOUND) throw error;
    await manager.streams.add(revocationStreamConfig({ replicas })).catch((failure: unknown) => {
      // A gateway has created the stream meanwhile.
      if (!(failure instanceof JetStreamApiError) || failure.code !== NAME_IN_USE) throw failure;
    });
  }
}
