import type { DashboardName } from "../dashboards/uids.ts";
import type { Severity } from "../limits/thresholds.ts";

/** An alert without its links. */
export interface Alert {
  /** In words, camel case: the runbook's section has the same words. */
  name: string;
  expr: string;
  /** How long it has to be so, for example `2m`. */
  for: string;
  /** How long it goes on when it is over. Default: not at all. */
  keepFiring?: string;
  severity: Severity;
  /** Further labels. */
  labels?: Record<string, string>;
  /** One line: what is the case. */
  summary: string;
  /** With the value, and what it means. */
  description: string;
  /** Where to look. */
  dashboard: DashboardName;
}

/** Templates of Prometheus, filled in when an alert is sent. */
export const TEMPLATE = {
  value: "{{ $value | humanize }}",
  /** A rate may be small: 0.1 and not `100m`. */
  rate: '{{ $value | printf "%.2f" }}',
  percentage: "{{ $value | humanizePercentage }}",
  duration: "{{ $value | humanizeDuration }}",
  gateway: "{{ $labels.instance }}",
} as const;

/** A part in percent, as `humanizePercentage` writes it: 0.9 is `90%`. */
export function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(2))}%`;
}

/** Times and severity of a row of the table. */
export function timingAndSeverity({
  for: time,
  keepFiring,
  severity,
}: Pick<Alert, "for" | "keepFiring" | "severity">): Pick<Alert, "for" | "keepFiring" | "severity"> {
  return { for: time, ...(keepFiring === undefined ? {} : { keepFiring }), severity };
}
