/** When a viewer gives up an attempt and when it makes the next one, as the client library does. */

/** The window of the first attempt after a loss, as the gateway's welcome names it, ms. */
const WINDOW = { min: 200, max: 2000 };
const LONGEST_MS = 20_000;
/** Attempts after a loss that follow each other quickly. */
const QUICK_ATTEMPTS = 10;
/** Window of the quick attempts, as a power of two of the gateway's window. */
const QUICK = -2;
const PATIENCE_MS = 10_000;
const QUICK_PATIENCE_MS = 5000;
const IMPATIENT = 3;

/** How long an attempt may take after this many failures in a row, ms. */
export const patienceMs = (failures: number): number =>
  failures < IMPATIENT ? QUICK_PATIENCE_MS : PATIENCE_MS;

/**
 * Returns the wait before the next attempt, ms.
 *
 * @param failures 0 right after a loss
 * @param retryAfter seconds, as the gateway's refusal says; 0: nothing
 * @param random 0 to 1
 */
export function waitMs(failures: number, retryAfter: number, random: number): number {
  if (retryAfter > 0) return retryAfter * 1000 * (1 + random);
  const doublings = failures === 0 ? 0 : Math.max(failures - QUICK_ATTEMPTS, QUICK);
  const longest = Math.min(LONGEST_MS, WINDOW.max * 2 ** doublings);
  return WINDOW.min + random * Math.max(0, longest - WINDOW.min);
}
