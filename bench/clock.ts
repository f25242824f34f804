/** One clock for all processes of a run. */

// A number of 16 digits for centuries, so that it stands at a fixed place before the end of every message.
const DIGITS_BASE = 1e15;
/** Length of a moment written in a message. */
export const MOMENT_DIGITS = 16;

/** What to add to the process's own clock. It can only come out too early, by the time that passes between the two looks. */
function measureOrigin(): number {
  let latest = 0;
  for (let look = 0; look < 1000; look++) {
    latest = Math.max(latest, Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000);
  }
  return latest;
}

const origin = measureOrigin() + DIGITS_BASE;

/** Microseconds of the machine's monotonic clock, plus 1e15. Comparable between processes. */
export const moment = (): number => Math.floor(origin + performance.now() * 1000);
