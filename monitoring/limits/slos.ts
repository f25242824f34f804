/** A service level objective over 30 days. */
export interface Slo {
  /** Share of all events that must be good, for example 0.999. */
  objective: number;
  /** The objective in words. */
  promise: string;
  /** What bad events are, worded to follow a number: `2% of all …`. */
  failure: string;
  /** The bad events that count for critical alerts, which wake somebody up. */
  pagesOn: BadEvents;
}

/**
 * Which bad events count. `errors`: all events that break the promise. `faults`: the errors without planned
 * ones, which are the refusals of a gateway that drains.
 */
export type BadEvents = "errors" | "faults";

export const SLOS = {
  /**
   * Of all connection attempts without a mistake of the client, the part that got a connection. Refusals of
   * draining gateways count as errors.
   */
  connections: {
    objective: 0.999,
    promise: "99.9 % of connection attempts are accepted",
    failure: "connection attempts were refused",
    pagesOn: "faults",
  },
  /** Of all deliveries, the part that is written into the subscriber's socket in time. */
  latency: {
    objective: 0.99,
    promise: "99 % of deliveries are in the socket within 50 ms",
    failure: "deliveries were late",
    pagesOn: "errors",
  },
} as const satisfies Record<string, Slo>;

export type SloName = keyof typeof SLOS;
export const SLO_NAMES = ["connections", "latency"] as const satisfies readonly SloName[];

/**
 * Seconds within which a message is in time: the upper bound of a bucket of the gateway's latency histogram.
 */
export const IN_TIME_SECONDS = 0.05;

/**
 * One alert on an error budget. Both windows must show that the budget burns `factor` times too fast; the
 * short window ends the alert soon.
 */
export interface BurnRate {
  /** 1 uses up the whole budget in exactly 30 days. */
  factor: number;
  long: string;
  short: string;
  for: string;
  /**
   * Number of bad events in the long window that must be exceeded: at night 1 bad event of 60 is already 2 %.
   */
  minEvents: number;
  severity: "critical" | "warning";
}

/** As Google's SRE workbook recommends: 2 % of the budget in 1 h, 5 % in 6 h, 10 % in 1 day and in 3 days. */
export const BURN_RATES: readonly BurnRate[] = [
  { factor: 14.4, long: "1h", short: "5m", for: "2m", minEvents: 10, severity: "critical" },
  { factor: 6, long: "6h", short: "30m", for: "15m", minEvents: 10, severity: "critical" },
  { factor: 3, long: "1d", short: "2h", for: "1h", minEvents: 10, severity: "warning" },
  { factor: 1, long: "3d", short: "6h", for: "3h", minEvents: 10, severity: "warning" },
];

/**
 * Windows that Prometheus evaluates every 15 s. The first window is also the resolution of the error budgets.
 */
export const SHORT_WINDOWS = ["5m", "30m", "1h", "2h"] as const;
/**
 * Windows that Prometheus evaluates every few minutes: they hold many samples, and their results change
 * slowly.
 */
export const LONG_WINDOWS = ["6h", "1d", "3d"] as const;
/** All windows for which error ratios are recorded, the shortest first. */
export const SLO_WINDOWS = [...SHORT_WINDOWS, ...LONG_WINDOWS] as const;

/** The bad events that count for an alert of a severity. */
export function badEventsFor(slo: SloName, severity: BurnRate["severity"]): BadEvents {
  return severity === "critical" ? SLOS[slo].pagesOn : "errors";
}

/**
 * Name of the record that holds the ratio of bad events to all events.
 *
 * @param window one of {@link SLO_WINDOWS}
 */
export function errorRatioName(slo: SloName, window: string, bad: BadEvents = "errors"): string {
  return `slo:${slo}_${bad}:ratio_rate${window}`;
}

/**
 * Name of the record that holds the number of bad events.
 *
 * @param window the long window of one of {@link BURN_RATES}
 */
export function errorCountName(slo: SloName, window: string, bad: BadEvents): string {
  return `slo:${slo}_${bad}:increase${window}`;
}

/**
 * Name of the record that holds bad events a second, or all events a second. The error budgets are sums of
 * these records.
 */
export function eventRateName(slo: SloName, which: "errors" | "events"): string {
  return `slo:${slo}_${which}:rate${SHORT_WINDOWS[0]}`;
}
