import { createHmac, randomUUID } from "node:crypto";

const LIFETIME = 300; // 5 min, in seconds: longer than any check lasts

/**
 * Makes a token for gateways that run with `JWT_SECRET` (HS256). Each token is for a new user: otherwise the
 * limit of connections per user could make a check fail while another check runs.
 *
 * @param channels the only channels and patterns that its bearer may subscribe to
 */
export function shortLivedToken(secret: string, channels: readonly string[], now = Date.now()): string {
  const issuedAt = Math.floor(now / 1000);
  const claims = { sub: `odin-smoke-${randomUUID()}`, iat: issuedAt, exp: issuedAt + LIFETIME, channels };
  const signed = [{ alg: "HS256", typ: "JWT" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
