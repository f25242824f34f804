/** Who a token speaks for. */

import { createPublicKey } from "node:crypto";
import { parseChannel } from "@odin-ws/protocol";
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Config } from "../config.ts";

/** What a valid token says. */
export interface Identity {
  /** Claim `sub`. */
  user: string;
  /** Claim `exp`, seconds since 1970; 0 when the token does not expire. */
  expiresAt: number;
  /** Claim `channels` in short form: the bearer may subscribe to what these cover. Undefined: to everything. */
  channels: readonly string[] | undefined;
}

/** Checks a token; throws an AuthError that says why it is no good. */
export type Verifier = (token: string) => Promise<Identity>;

export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code = "unauthorized";
}

/** The keys cannot be had at present: that says nothing about the token. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
  readonly code = "keys_unavailable";
}

// Named for each kind of key: a token never chooses how it is checked, and `alg: none` is in no list.
const HMAC = ["HS256", "HS384", "HS512"];
const SIGNATURES = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
// JOSEError itself is what jose throws for an answer of the key server that is not 200.
const UNAVAILABLE = new Set([errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code]);
/** Clocks of issuer and gateway may differ by this many seconds. */
const CLOCK_TOLERANCE = 0;

/** The verifier that the settings ask for; undefined when AUTH_MODE is none. Throws when the public key is no key. */
export function createVerifier(
  config: Pick<Config, "AUTH_MODE" | "JWT_SECRET" | "JWT_PUBLIC_KEY" | "JWKS_URL">,
): Verifier | undefined {
  if (config.AUTH_MODE === "none") return undefined;
  if (config.JWT_SECRET !== undefined) {
    const secret = new TextEncoder().encode(config.JWT_SECRET);
    return verifier((token, options) => jwtVerify(token, secret, options), HMAC);
  }
  if (config.JWT_PUBLIC_KEY !== undefined) {
    // A PEM in an env file often comes with its line ends written as \n.
    const key = createPublicKey(config.JWT_PUBLIC_KEY.replaceAll("\\n", "\n"));
    return verifier((token, options) => jwtVerify(token, key, options), SIGNATURES);
  }
  const keys = createRemoteJWKSet(new URL(config.JWKS_URL as string), { timeoutDuration: 5000 });
  return verifier((token, options) => jwtVerify(token, keys, options), SIGNATURES, true);
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

function verifier(verify: Verify, algorithms: string[], remote = false): Verifier {
  return async (token) => {
    try {
      const { payload } = await verify(token, { algorithms, clockTolerance: CLOCK_TOLERANCE });
      return identityOf(payload);
    } catch (error) {
      if (error instanceof AuthError) throw error;
      if (error instanceof errors.JWTExpired) throw new AuthError("the token has expired");
      const code = error instanceof errors.JOSEError ? error.code : undefined;
      if (remote && (code === undefined || UNAVAILABLE.has(code))) {
        throw new KeysUnavailableError("the keys that check tokens cannot be had at present: try again");
      }
      // What jose says of a key or a signature helps an attacker more than a user.
      throw new AuthError(`the token is not valid: ${code ?? "it does not fit the key"}`);
    }
  };
}

function identityOf({ sub, exp, channels }: JWTPayload): Identity {
  if (typeof sub !== "string" || sub === "") throw new AuthError("the token has no claim sub");
  if (channels !== undefined && !Array.isArray(channels))
    throw new AuthError("the token's claim channels is no array");
  const allowed = channels?.map((channel) => {
    const short = parseChannel(channel);
    if (short === undefined)
      throw new AuthError(`the token's claim channels has no channel ${JSON.stringify(channel)}`);
    return short;
  });
  return { user: sub, expiresAt: exp === undefined ? 0 : Math.floor(exp), channels: allowed };
}
