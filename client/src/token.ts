/** When to replace a JWT. Only the gateway verifies the token. */

/** The wait until the next token when the current one seems to have expired. */
const WRONG_CLOCK_MS = 60_000; // 1 min

/**
 * Milliseconds until a token should be replaced, at least 1 s: a fifth of the remaining time before the token
 * expires, at most 30 s before. Undefined when the token has no `exp` or is not a JWT. `nowMs`: Date.now().
 * If the token seems to have expired, this clock is wrong, because a gateway has just accepted the token.
 */
export function renewIn(token: string, nowMs: number): number | undefined {
  try {
    const payload = (token.split(".")[1] as string).replaceAll("-", "+").replaceAll("_", "/");
    // atob returns Latin-1: other claims may have wrong characters, but the number is right.
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    if (typeof exp !== "number") return undefined;
    const left = exp * 1000 - nowMs;
    return left > 0 ? Math.max(1000, left - Math.min(30_000, left / 5)) : WRONG_CLOCK_MS;
  } catch {}
  return undefined;
}
