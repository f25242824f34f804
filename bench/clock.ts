/** A clock that all processes of a run share. */

// Keeps the number at 16 digits for centuries, so that every message has the number at the same distance from
// its end.
const DIGITS_BASE = 1e15;
/** Number of digits of a moment in a message. */
export const MOMENT_DIGITS = 16;

/**
 * Returns what to add to `performance.now()` to get the machine's clock. The result can only be too small, by
 * the time between the two reads, so the largest of many results is the best one.
 */
function measureOrigin(): number {
  let latest = 0;
  for (let attempt = 0; attempt < 1000; attempt++) {
    latest = Math.max(latest, Number(process.hrtime.bigint()) / 1000 - performance.now() * 1000);
  }
  return latest;
}

const origin = measureOrigin() + DIGITS_BASE;

/** Returns microseconds of the machine's monotonic clock, plus 1e15. Comparable between processes. */
export const moment = (): number => Math.floor(origin + performance.now() * 1000);
