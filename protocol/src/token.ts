/**
 * Access tokens that a gateway with `JWT_SECRET` accepts: JWTs signed with HS256. For tests and checks, which
 * know the secret. Needs Node; users get their tokens from an identity service.
 */

import { createHmac } from "node:crypto";

export interface TokenClaims {
  /** Claim `sub`: the gateway limits the connections of one user. */
  user: string;
  /** Time until the token expires, seconds. */
  lifetimeSeconds: number;
  /** The only channels and patterns that the bearer may subscribe to. Default: all. */
  channels?: readonly string[];
  /** Claim `iss`. Default: none. */
  issuer?: string | undefined;
  /** Claim `aud`. Default: none. */
  audience?: string | undefined;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * Signs a token.
 *
 * @param now milliseconds since 1970
 */
export function signToken(
  secret: string,
  { user, lifetimeSeconds, channels, issuer, audience }: TokenClaims,
  now = Date.now(),
): string {
  const issuedAt = Math.floor(now / 1000);
  // JSON leaves out what is undefined.
  const claims = {
    sub: user,
    iss: issuer,
    aud: audience,
    iat: issuedAt,
    exp: issuedAt + lifetimeSeconds,
    channels,
  };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
