import type { DashboardName } from "../dashboards/uids.ts";
import type { Severity } from "../limits/thresholds.ts";

/** An alert, before its links to a dashboard and to the runbook are added. */
export interface Alert {
  /** Words in camel case. The heading of the runbook's section has the same words. */
  name: string;
  /** The alert's condition in PromQL. */
  expr: string;
  /** How long the condition must hold before the alert fires, for example `2m`. */
  for: string;
  /** How long the alert keeps firing after its condition has ended. Default: the alert ends at once. */
  keepFiring?: string;
  severity: Severity;
  /** Labels in addition to `severity`. */
  labels?: Record<string, string>;
  /** One line that says what is wrong. */
  summary: string;
  /** The measured value, what it means and what it causes. */
  description: string;
  /** The dashboard that shows the cause. */
  dashboard: DashboardName;
}

/** Templates in summaries and descriptions. Prometheus replaces them when it sends an alert. */
export const TEMPLATE = {
  value: "{{ $value | humanize }}",
  /** Writes a small rate as 0.1, where `humanize` would write `100m`. */
  rate: '{{ $value | printf "%.2f" }}',
  percentage: "{{ $value | humanizePercentage }}",
  duration: "{{ $value | humanizeDuration }}",
  gateway: "{{ $labels.instance }}",
} as const;

/** A ratio in percent, written as `humanizePercentage` writes it: 0.9 is `90%`. */
export function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(2))}%`;
}

/** The fields of an alert that come from its row in the table of thresholds. */
export function timingAndSeverity({
  for: time,
  keepFiring,
  severity,
}: Pick<Alert, "for" | "keepFiring" | "severity">): Pick<Alert, "for" | "keepFiring" | "severity"> {
  return { for: time, ...(keepFiring === undefined ? {} : { keepFiring }), severity };
}
