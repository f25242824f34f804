/** A NATS account as Synadia makes them: the server trusts an operator, and users have credentials files. */

import { nkeys } from "@nats-io/transport-node";

type Key = ReturnType<typeof nkeys.createUser>;

/** What a user may do. Default: everything. */
export interface UserClaims {
  /** Seconds since 1970. */
  exp?: number;
  /** Subjects on which the user may publish. */
  publish?: string[];
}

export interface NatsAccount {
  /** Text of the server's configuration. */
  config: string;
  /** Returns the credentials file of another user of this account. */
  credentials(claims?: UserClaims): string;
}

const base64 = (data: string | Uint8Array): string => Buffer.from(data).toString("base64url");

/** A NATS token that `issuer` signs for `subject`. */
function sign(issuer: Key, subject: Key, nats: object, exp?: number): string {
  const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
  const claims = { jti: "1", iat: 1, iss, sub, name: "test", nats, ...(exp !== undefined && { exp }) };
  const text = `${base64('{"typ":"JWT","alg":"ed25519-nkey"}')}.${base64(JSON.stringify(claims))}`;
  return `${text}.${base64(issuer.sign(Buffer.from(text)))}`;
}

/** A credentials file in the format of NATS. */
function credentialsOf(account: Key, { exp, publish }: UserClaims): string {
  const user = nkeys.createUser();
  const limits = { type: "user", version: 2, subs: -1, data: -1, payload: -1 };
  const jwt = sign(account, user, { ...limits, ...(publish && { pub: { allow: publish } }) }, exp);
  const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return `${block("NATS USER JWT", jwt)}\n${block("USER NKEY SEED", Buffer.from(user.getSeed()).toString())}`;
}

/** Credentials of an account that no server knows. */
export const strangeCredentials = (): string => credentialsOf(nkeys.createAccount(), {});

export function createAccount(): NatsAccount {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const connections = {
    ...{ subs: -1, data: -1, payload: -1, conn: -1, leaf: -1 },
    ...{ imports: -1, exports: -1, wildcards: true },
  };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const of = (limits: object) => ({ type: "account", version: 2, limits });
  const config = `
    operator: ${sign(operator, operator, { type: "operator", version: 2 })}
    system_account: ${system.getPublicKey()}
    resolver: MEMORY
    resolver_preload: {
      ${account.getPublicKey()}: ${sign(operator, account, of({ ...connections, ...storage }))}
      ${system.getPublicKey()}: ${sign(operator, system, of(connections))}
    }`;
  return { config, credentials: (claims = {}) => credentialsOf(account, claims) };
}
