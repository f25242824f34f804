/** Checks of tokens (JWT), and the identity that a valid token stands for. */

import { createPublicKey } from "node:crypto";
import { parseChannel } from "@odin-ws/protocol";
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Config } from "../config.ts";

/** Claims of a valid token. */
export interface Identity {
  /** Claim `sub`. */
  user: string;
  /** Claim `exp`, seconds since 1970; 0 when the token does not expire. */
  expiresAt: number;
  /**
   * Claim `channels` in short form: patterns that the bearer may subscribe to. Undefined: the bearer may
   * subscribe to all.
   */
  channels: readonly string[] | undefined;
}

/**
 * Checks a token.
 *
 * @throws AuthError with the reason when the token is not valid; KeysUnavailableError when it cannot be
 * checked now
 */
export type Verifier = (token: string) => Promise<Identity>;

export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code = "unauthorized";
}

/** The keys are not available at present, so nothing is known about the token. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
  readonly code = "keys_unavailable";
}

// Each kind of key has its own list: a token never chooses how it is checked, and `alg: none` is in no list.
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
// jose throws a plain JOSEError when the key server answers with another status than 200.
const UNAVAILABLE = new Set([errors.JWKSTimeout.code, errors.JWKSInvalid.code, errors.JOSEError.code]);
/** Clocks of issuer and gateway may differ by this time. */
const CLOCK_TOLERANCE_SECONDS = 0;
const KEYS_TIMEOUT_MS = 5000;

/**
 * Returns the verifier for the settings; undefined with AUTH_MODE=none. Throws when the public key is not
 * valid.
 */
export function createVerifier(
  config: Pick<Config, "AUTH_MODE" | "JWT_SECRET" | "JWT_PUBLIC_KEY" | "JWKS_URL">,
): Verifier | undefined {
  if (config.AUTH_MODE === "none") return undefined;
  if (config.JWT_SECRET !== undefined) {
    const secret = new TextEncoder().encode(config.JWT_SECRET);
    return verifier((token, options) => jwtVerify(token, secret, options), HMAC);
  }
  if (config.JWT_PUBLIC_KEY !== undefined) {
    // In an env file, the line ends of a PEM are often written as \n.
    const key = createPublicKey(config.JWT_PUBLIC_KEY.replaceAll("\\n", "\n"));
    return verifier((token, options) => jwtVerify(token, key, options), SIGNATURES);
  }
  const keys = createRemoteJWKSet(new URL(config.JWKS_URL as string), { timeoutDuration: KEYS_TIMEOUT_MS });
  return verifier((token, options) => jwtVerify(token, keys, options), SIGNATURES, true);
}

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

function verifier(verify: Verify, algorithms: string[], remote = false): Verifier {
  return async (token) => {
    try {
      const { payload } = await verify(token, { algorithms, clockTolerance: CLOCK_TOLERANCE_SECONDS });
      return identityOf(payload);
    } catch (error) {
      if (error instanceof AuthError) throw error;
      if (error instanceof errors.JWTExpired) throw new AuthError("the token has expired");
      const code = error instanceof errors.JOSEError ? error.code : undefined;
      if (remote && (code === undefined || UNAVAILABLE.has(code))) {
        throw new KeysUnavailableError("the keys that check tokens are not available at present: try again");
      }
      // Details from jose about keys and signatures would help an attacker more than a user.
      throw new AuthError(`the token is not valid: ${code ?? "it does not fit the key"}`);
    }
  };
}

function identityOf({ sub, exp, channels }: JWTPayload): Identity {
  if (typeof sub !== "string" || sub === "") throw new AuthError("the token has no claim sub");
  if (channels !== undefined && !Array.isArray(channels))
    throw new AuthError("the token's claim channels is not an array");
  const allowed = channels?.map((channel) => {
    const short = parseChannel(channel);
    if (short === undefined)
      throw new AuthError(
        `the token's claim channels contains ${JSON.stringify(channel)}, which is not a channel`,
      );
    return short;
  });
  return { user: sub, expiresAt: exp === undefined ? 0 : Math.floor(exp), channels: allowed };
}
