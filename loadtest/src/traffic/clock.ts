/**
 * The machine's clock in microseconds. It does not jump between two reads, but follows the system clock that
 * `ts` comes from.
 */

const MAX_DIFFERENCE = 2_000; // µs between this clock and the system clock, before this one is corrected

let anchor = Date.now() * 1000 - performance.now() * 1000;

/** Microseconds since 1970. */
export const wallMicros = (): number => anchor + performance.now() * 1000;

/** Follows corrections of the system clock. Called once a second. */
export function followClock(): void {
  const difference = Date.now() * 1000 - wallMicros();
  // Date.now() is rounded down by up to 1 ms.
  if (difference > MAX_DIFFERENCE || difference < -MAX_DIFFERENCE - 1000) anchor += difference;
}
