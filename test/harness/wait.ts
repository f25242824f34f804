/** Waiting for what must happen, with a deadline and a message that says what did not. */

/** Generous, because several files share two cores: it is only ever used up by a failure. */
export const DEADLINE = 10_000; // 10 s

const POLL = 25; // ms

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks `probe` again and again until it returns something other than undefined and false, and returns that.
 *
 * @throws Error with `what`, and the last error of `probe`, once `deadline` ms are over
 */
export async function eventually<T>(
  what: string | (() => string),
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  deadline: number = DEADLINE,
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
    await pause(POLL);
  } while (Date.now() < end);
  const text = typeof what === "string" ? what : what();
  throw new Error(`not within ${deadline} ms: ${text}${cause === undefined ? "" : ` (${cause})`}`, { cause });
}

/** The promise's value, or an Error with `what` once `deadline` ms are over. */
export async function within<T>(
  what: string | (() => string),
  promise: Promise<T>,
  deadline: number = DEADLINE,
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
