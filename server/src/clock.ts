/**
 * The clock for durations. `Date.now()` is only for times that other machines name (a token's expiry, the
 * time of a message), because an operator or NTP may set it forward or back at any moment.
 */
export const steadyClock = {
  /** Milliseconds since an arbitrary moment; never set. A test may replace this function. */
  now: (): number => performance.now(),
};

/** Seconds since the same moment, whole. */
export const secondNow = (): number => Math.floor(steadyClock.now() / 1000);
