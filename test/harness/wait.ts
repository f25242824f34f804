/** Waits with a deadline. The error names what did not happen in time. */

import { SAME_SIGNAL_MS } from "@odin-ws/settings/signals";

/**
 * Default deadline: a guard against tests that hang, and no check of speed. It is long, because several test
 * files share two cores; only a failure waits for its end. A gateway finds lost connections by pings, every
 * 25 s: the deadline is shorter, so that no test waits for a ping by mistake.
 */
export const DEADLINE_MS = 20_000; // 20 s

/**
 * After this time, another signal counts as a later one, also in a program that did not get the CPU for a
 * moment.
 */
export const LATER_SIGNAL_MS = 2 * SAME_SIGNAL_MS;

const POLL_MS = 25; // ms

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Calls `probe` repeatedly until it returns a value other than undefined and false, and returns that value.
 *
 * @throws Error with `what` and the last error of `probe` when `deadline` ms are over
 */
export async function eventually<T>(
  what: string | (() => string),
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  deadline: number = DEADLINE_MS,
): Promise<T> {
  const end = Date.now() + deadline;
  let cause: unknown;
  do {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await pause(POLL_MS);
  } while (Date.now() < end);
  const text = typeof what === "string" ? what : what();
  throw new Error(`not within ${deadline} ms: ${text}${cause === undefined ? "" : ` (${cause})`}`, { cause });
}

/**
 * The promise's value.
 *
 * @throws Error with `what` when `deadline` ms are over
 */
export async function within<T>(
  what: string | (() => string),
  promise: Promise<T>,
  deadline: number = DEADLINE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${deadline} ms: ${typeof what === "string" ? what : what()}`));
    }, deadline);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
