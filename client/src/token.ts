/** When a JWT expires. Nothing is verified here: that is the gateway's work. */

/** Claim `exp` of a JWT in seconds since 1970, or undefined when it has none or is no JWT. */
export function expiryOf(token: string): number | undefined {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    // The text is taken for Latin-1: other claims may look odd, the number does not.
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === "number" ? exp : undefined;
  } catch {
    return undefined;
  }
}

/** The longest time that setTimeout takes. */
const LONGEST = 2 ** 31 - 1;

/** Milliseconds until a token should be replaced: a fifth of what is left of it before its end, at most 30 s; at least 1 s from now. */
export function renewIn(expiry: number, nowMs: number): number {
  const left = expiry * 1000 - nowMs;
  return Math.min(LONGEST, Math.max(1000, left - Math.min(30_000, left / 5)));
}
