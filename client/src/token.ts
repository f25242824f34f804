/** When to replace a JWT. Nothing is verified here: that is the gateway's work. */

/** The longest time that setTimeout takes. */
const LONGEST = 2 ** 31 - 1;

/**
 * Milliseconds until a token should be replaced: a fifth of what is left of it before its end, at most 30 s; at least 1 s from now.
 * Undefined when it has no `exp` or is no JWT. `nowMs`: Date.now().
 */
export function renewIn(token: string, nowMs: number): number | undefined {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/");
    // The text is taken for Latin-1: other claims may look odd, the number does not.
    const { exp } = JSON.parse(atob(payload ?? "")) as { exp?: unknown };
    if (typeof exp !== "number") return undefined;
    const left = exp * 1000 - nowMs;
    return Math.min(LONGEST, Math.max(1000, left - Math.min(30_000, left / 5)));
  } catch {
    return undefined;
  }
}
