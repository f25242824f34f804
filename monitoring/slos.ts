/** An objective over 30 days. */
export interface Slo {
  /** Part of events that must be good, for example 0.999. */
  objective: number;
  /** What is promised, in words. */
  promise: string;
  /** What breaks it, after a number of events: `2% of …`. */
  failure: string;
}

export const SLOS = {
  /** Of all attempts that the client made rightly, those that got a connection. A gateway that drains counts against it. */
  connections: {
    objective: 0.999,
    promise: "99.9 % of connection attempts are accepted",
    failure: "connection attempts were refused",
  },
  /** Of all messages, those that are in every subscriber's socket in time. */
  latency: {
    objective: 0.99,
    promise: "99 % of deliveries are in the socket within 50 ms",
    failure: "deliveries were late",
  },
} as const satisfies Record<string, Slo>;

export type SloName = keyof typeof SLOS;

/** A message in time, seconds: a bucket's bound of the gateway's histogram. */
export const IN_TIME_SECONDS = 0.05;

/** One alert: the budget burns `factor` times as fast as it lasts, over a long window and, so that it ends soon, over a short one too. */
export interface BurnRate {
  factor: number;
  long: string;
  short: string;
  for: string;
  severity: "critical" | "warning";
}

/** As the SRE workbook recommends: 2 % of the budget in 1 h, 5 % in 6 h, 10 % in 1 and 3 days. */
export const BURN_RATES: readonly BurnRate[] = [
  { factor: 14.4, long: "1h", short: "5m", for: "2m", severity: "critical" },
  { factor: 6, long: "6h", short: "30m", for: "15m", severity: "critical" },
  { factor: 3, long: "1d", short: "2h", for: "1h", severity: "warning" },
  { factor: 1, long: "3d", short: "6h", for: "3h", severity: "warning" },
];

/** Windows for which error ratios are recorded, the shortest first. */
export const SLO_WINDOWS = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] as const;

/** Recorded name of the part of bad events. @param window one of {@link SLO_WINDOWS} */
export function errorRatio(slo: SloName, window: string): string {
  return `slo:${slo}_errors:ratio_rate${window}`;
}
