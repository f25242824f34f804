/** An objective over 30 days. */
export interface Slo {
  /** Part of events that must be good, for example 0.999. */
  objective: number;
  /** What is promised, in words. */
  promise: string;
  /** What breaks it, after a number of events: `2% of …`. */
  failure: string;
  /** What wakes somebody. */
  wakes: BadEvents;
}

/** `errors`: all that breaks a promise. `faults`: without what was planned, and is over when it is done: a drain's refusals. */
export type BadEvents = "errors" | "faults";

export const SLOS = {
  /** Of all attempts that the client made rightly, those that got a connection. A gateway that drains counts against it. */
  connections: {
    objective: 0.999,
    promise: "99.9 % of connection attempts are accepted",
    failure: "connection attempts were refused",
    wakes: "faults",
  },
  /** Of all messages, those that are in every subscriber's socket in time. */
  latency: {
    objective: 0.99,
    promise: "99 % of deliveries are in the socket within 50 ms",
    failure: "deliveries were late",
    wakes: "errors",
  },
} as const satisfies Record<string, Slo>;

export type SloName = keyof typeof SLOS;
export const SLO_NAMES = ["connections", "latency"] as const satisfies readonly SloName[];

/** A message in time, seconds: a bucket's bound of the gateway's histogram. */
export const IN_TIME_SECONDS = 0.05;

/** One alert: the budget burns `factor` times as fast as it lasts, over a long window and, so that it ends soon, over a short one too. */
export interface BurnRate {
  factor: number;
  long: string;
  short: string;
  for: string;
  /** BadEvents events in the long window up to which a ratio says nothing: at night one of 60 is 2 %. */
  least: number;
  severity: "critical" | "warning";
}

/** As the SRE workbook recommends: 2 % of the budget in 1 h, 5 % in 6 h, 10 % in 1 and 3 days. */
export const BURN_RATES: readonly BurnRate[] = [
  { factor: 14.4, long: "1h", short: "5m", for: "2m", least: 10, severity: "critical" },
  { factor: 6, long: "6h", short: "30m", for: "15m", least: 10, severity: "critical" },
  { factor: 3, long: "1d", short: "2h", for: "1h", least: 10, severity: "warning" },
  { factor: 1, long: "3d", short: "6h", for: "3h", least: 10, severity: "warning" },
];

/** Windows that are summed up anew every few seconds. The first is the resolution of the budgets. */
export const SHORT_WINDOWS = ["5m", "30m", "1h", "2h"] as const;
/** Windows in which a few minutes change little, and which are many samples. */
export const LONG_WINDOWS = ["6h", "1d", "3d"] as const;
/** Windows for which error ratios are recorded, the shortest first. */
export const SLO_WINDOWS = [...SHORT_WINDOWS, ...LONG_WINDOWS] as const;

/** What an alert of a severity counts as bad. */
export function badEventsFor(slo: SloName, severity: BurnRate["severity"]): BadEvents {
  return severity === "critical" ? SLOS[slo].wakes : "errors";
}

/** Recorded name of the part of bad events. @param window one of {@link SLO_WINDOWS} */
export function errorRatioName(slo: SloName, window: string, bad: BadEvents = "errors"): string {
  return `slo:${slo}_${bad}:ratio_rate${window}`;
}

/** Recorded name of the number of bad events. @param window the long one of one of {@link BURN_RATES} */
export function errorCountName(slo: SloName, window: string, bad: BadEvents): string {
  return `slo:${slo}_${bad}:increase${window}`;
}

/** Recorded name of events a second, bad ones or all: what a budget adds up. */
export function eventRateName(slo: SloName, which: "errors" | "events"): string {
  return `slo:${slo}_${which}:rate${SHORT_WINDOWS[0]}`;
}
