/** The wait before a reconnect: a random time from a window ("full jitter"). */

const LONGEST_MS = 20_000; // 20 s: the history of the gateways lasts 30 s
/**
 * Number of attempts after a loss that follow each other quickly, because most interruptions of a line are
 * short. All clients of a gateway or of a network may try at the same time, so the first attempt waits within
 * the gateway's window, and after these attempts, which take some 4 s, the window grows with every failure.
 */
export const QUICK_ATTEMPTS = 10;
/** The window of quick attempts is a quarter of the gateway's. */
const QUICK = -2;

export interface Window {
  readonly min_ms: number;
  readonly max_ms: number;
}

/** The window until a gateway names one in its welcome. */
export const FIRST_WINDOW: Window = { min_ms: 500, max_ms: 5_000 };

/**
 * Milliseconds to wait after this many failures in a row.
 *
 * @param failures 0 right after a loss; QUICK_ATTEMPTS without quick attempts
 * @param random 0 to 1
 */
export function backoff({ min_ms, max_ms }: Window, failures: number, random: number): number {
  const doublings = failures && Math.max(failures - QUICK_ATTEMPTS, QUICK);
  return min_ms + random * Math.max(0, Math.min(LONGEST_MS, max_ms * 2 ** doublings) - min_ms);
}
