import { randomUUID } from "node:crypto";
import { signToken, type TokenClaims } from "@odin-ws/protocol/token";

const LIFETIME_SECONDS = 300; // 5 min: longer than any check lasts

/**
 * Makes a token for gateways that run with `JWT_SECRET` (HS256). Each token is for a new user: otherwise the
 * limit of connections per user could make a check fail while another check runs.
 *
 * @param claims the only channels and patterns that the bearer may subscribe to, and the issuer and audience
 *   that the gateways require
 */
export const shortLivedToken = (
  secret: string,
  claims: Pick<TokenClaims, "channels" | "issuer" | "audience">,
  now = Date.now(),
): string =>
  signToken(
    secret,
    { user: `odin-smoke-${randomUUID()}`, lifetimeSeconds: LIFETIME_SECONDS, ...claims },
    now,
  );
