/** When to replace a JWT. Nothing is verified here: that is the gateway's work. */

/** So long until the next token when every one seems to be over. */
const WRONG_CLOCK = 60_000; // 1 min

/**
 * Milliseconds until a token should be replaced: a fifth of what is left of it before its end, at most 30 s; at least 1 s from now.
 * Undefined when it has no `exp` or is no JWT. `nowMs`: Date.now(). A gateway has taken the token: if it is over, this clock is wrong.
 */
export function renewIn(token: string, nowMs: number): number | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    // The text is taken for Latin-1: other claims may look odd, the number does not.
    const { exp } = JSON.parse(atob(payload ?? "")) as { exp?: unknown };
    if (typeof exp !== "number") return undefined;
    const left = exp * 1000 - nowMs;
    return left > 0 ? Math.max(1000, left - Math.min(30_000, left / 5)) : WRONG_CLOCK;
  } catch {
    return undefined;
  }
}
