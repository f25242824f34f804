/** The machine's clock in microseconds: it must not jump between two looks, and must follow the clock that `ts` comes from. */

const STEP = 2_000; // µs that the clocks may differ before the anchor is set anew

let anchor = Date.now() * 1000 - performance.now() * 1000;

/** Microseconds since 1970. */
export const wallMicros = (): number => anchor + performance.now() * 1000;

/** Follows corrections of the system's clock; called once a second. */
export function followClock(): void {
  const difference = Date.now() * 1000 - wallMicros();
  // Date.now() cuts off up to 1 ms.
  if (difference > STEP || difference < -STEP - 1000) anchor += difference;
}
