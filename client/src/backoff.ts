/** The wait before a reconnect: a random time from a window that grows with every failure ("full jitter"). */

const LONGEST_MS = 20_000; // 20 s: the history of the gateways lasts 30 s

export interface Window {
  readonly min_ms: number;
  readonly max_ms: number;
}

/** The window until a gateway names one in its welcome. */
export const FIRST_WINDOW: Window = { min_ms: 500, max_ms: 5_000 };

/** Milliseconds to wait after this many failures in a row; `random` is 0 to 1. */
export function backoff({ min_ms, max_ms }: Window, failures: number, random: number): number {
  return min_ms + random * Math.max(0, Math.min(LONGEST_MS, max_ms * 2 ** failures) - min_ms);
}
