/** Checks of tokens (JWT), and the identity that a valid token stands for. */

import { parseChannel } from "@odin-ws/protocol";
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { readPublicKey } from "../setting-values.ts";
import { KeysUnavailableError, RemoteKeys } from "./remote-keys.ts";

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
  /** Claim `jti`: the id of this token. */
  tokenId?: string | undefined;
  /** Claim `iat`, seconds since 1970; undefined when the token does not say when it was issued. */
  issuedAt?: number | undefined;
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
  /** Claim `sub` of a token that was signed with the right key; undefined when nothing proves the user. */
  readonly user: string | undefined;

  constructor(message: string, user?: string) {
    super(message);
    this.user = user;
  }
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
/** A token may begin this much later on our clock, because the issuer's clock may be ahead of ours. */
const MAX_ISSUER_AHEAD_SECONDS = 30;

export type AuthSettings = Pick<
  Config,
  | "AUTH_MODE"
  | "JWT_SECRET"
  | "JWT_SECRET_PREVIOUS"
  | "JWT_PUBLIC_KEY"
  | "JWT_ISSUER"
  | "JWT_AUDIENCE"
  | "JWT_REQUIRE_EXP"
  | "JWKS_URL"
  | "JWKS_MAX_AGE"
  | "JWKS_MAX_STALE_AGE"
>;

/**
 * Returns the verifier for the settings; undefined with AUTH_MODE=none. Throws when the public key is not
 * valid.
 */
export function createVerifier(config: AuthSettings, log: Pick<Log, "info" | "warn">): Verifier | undefined {
  if (config.AUTH_MODE === "none") return undefined;
  const options: JWTVerifyOptions = {
    clockTolerance: MAX_ISSUER_AHEAD_SECONDS,
    ...(config.JWT_ISSUER.length > 0 && { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE.length > 0 && { audience: config.JWT_AUDIENCE }),
    ...(config.JWT_REQUIRE_EXP && { requiredClaims: ["exp"] }),
  };
  return verifier(checkOf(config, log), options);
}

type Check = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

/** Returns the check with the key of the settings. */
function checkOf(config: AuthSettings, log: Pick<Log, "info" | "warn">): Check {
  if (config.JWT_SECRET !== undefined) return secretCheck(config.JWT_SECRET, config.JWT_SECRET_PREVIOUS);
  if (config.JWT_PUBLIC_KEY !== undefined) {
    const key = readPublicKey(config.JWT_PUBLIC_KEY);
    return (token, options) => jwtVerify(token, key, { ...options, algorithms: SIGNATURES });
  }
  const keys = new RemoteKeys({
    url: config.JWKS_URL as string,
    maxAgeMs: config.JWKS_MAX_AGE,
    maxStaleMs: config.JWKS_MAX_STALE_AGE,
    log,
  });
  keys.prefetch();
  return (token, options) => jwtVerify(token, keys.keyOf, { ...options, algorithms: SIGNATURES });
}

function secretCheck(secret: string, previous: string | undefined): Check {
  const [key, ...others] = [secret, ...(previous === undefined ? [] : [previous])].map((text) =>
    new TextEncoder().encode(text),
  ) as [Uint8Array, ...Uint8Array[]];
  return async (token, options) => {
    const all = { ...options, algorithms: HMAC };
    try {
      return await jwtVerify(token, key, all);
    } catch (error) {
      const [other] = others;
      if (other === undefined || !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      return await jwtVerify(token, other, all);
    }
  };
}

/** Claims whose value the settings prescribe. The reason of a refusal names them: it gives nothing away. */
const PRESCRIBED = ["iss", "aud", "exp"];

function verifier(check: Check, options: JWTVerifyOptions): Verifier {
  return async (token) => {
    try {
      const { payload } = await check(token, options);
      return identityOf(payload);
    } catch (error) {
      if (error instanceof AuthError || error instanceof KeysUnavailableError) throw error;
      // jose checks the claims after the signature.
      if (error instanceof errors.JWTExpired)
        throw new AuthError("the token has expired", subjectOf(error.payload));
      if (error instanceof errors.JWTClaimValidationFailed && PRESCRIBED.includes(error.claim)) {
        throw new AuthError(
          error.reason === "missing"
            ? `the token has no claim ${error.claim}`
            : `the token's claim ${error.claim} has another value than this service accepts`,
          subjectOf(error.payload),
        );
      }
      const code = error instanceof errors.JOSEError ? error.code : undefined;
      // Details from jose about keys and signatures would help an attacker more than a user.
      throw new AuthError(`the token is not valid: ${code ?? "it does not fit the key"}`);
    }
  };
}

const subjectOf = ({ sub }: JWTPayload): string | undefined => (typeof sub === "string" ? sub : undefined);

function identityOf({ sub, exp, iat, jti, channels }: JWTPayload): Identity {
  if (typeof sub !== "string" || sub === "") throw new AuthError("the token has no claim sub");
  // The tolerance of jose holds for exp, too. A token is used up to its expiry on our clock: clients renew
  // their token before, and an expired one would be closed with 4401 at once.
  if (exp !== undefined && exp <= Date.now() / 1000) throw new AuthError("the token has expired", sub);
  if (channels !== undefined && !Array.isArray(channels))
    throw new AuthError("the token's claim channels is not an array", sub);
  const allowed = channels?.map((channel) => {
    const short = parseChannel(channel);
    if (short === undefined)
      throw new AuthError(
        `the token's claim channels contains ${JSON.stringify(channel)}, which is not a channel`,
        sub,
      );
    return short;
  });
  return {
    user: sub,
    expiresAt: exp === undefined ? 0 : Math.floor(exp),
    channels: allowed,
    tokenId: typeof jti === "string" ? jti : undefined,
    issuedAt: iat,
  };
}
