import { counterValues, gaugeValues } from "../../testing/series.fixture.ts";

/** Time series that make one alert fire and then end. All times are seconds after the first sample. */
export interface AlertCase {
  /** Name of the alert. */
  alert: string;
  /** Seconds from one sample to the next, and from one evaluation to the next. */
  step: number;
  /** Values by name of the time series. */
  series: Record<string, string>;
  /** First evaluation at which the alert's condition holds. The alert fires its `for` later. */
  conditionAt: number;
  /** An evaluation at which the alert has ended. Default: the alert lasts until somebody acts. */
  resolvedAt?: number;
  /** Labels in addition to `severity`. */
  labels?: Record<string, string>;
  /** The description when the alert begins to fire, with its templates replaced. */
  description: string;
}

/** Step of most cases, seconds. */
export const STEP = 15;

type Parts<Values> = Values extends (step: number, ...parts: infer Rest) => string ? Rest : never;

/** {@link gaugeValues} with the usual step. */
export const gauge = (...parts: Parts<typeof gaugeValues>) => gaugeValues(STEP, ...parts);
/** {@link counterValues} with the usual step. */
export const counter = (...parts: Parts<typeof counterValues>) => counterValues(STEP, ...parts);

/** Labels of the metrics of a gateway. */
export const G1 = { job: "gateway", instance: "g1" };

/** Name of a time series: `up{job="gateway",instance="g1"}`. */
export const seriesName = (metric: string, labels: Record<string, string>) =>
  `${metric}{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}}`;

/**
 * A case with one gauge: at the threshold for two minutes, then beyond the threshold until two minutes after
 * the alert fires, then good.
 *
 * @param pending seconds from the begin of the condition until the alert fires
 */
export function gaugeCase(
  alert: string,
  metric: string,
  [atThreshold, beyond, good]: [number, number, number],
  pending: number,
  description: string,
  labels: Record<string, string> = G1,
): AlertCase {
  return {
    alert,
    step: STEP,
    series: { [seriesName(metric, labels)]: gauge([atThreshold, 120], [beyond, pending + 120], [good, 60]) },
    conditionAt: 120,
    resolvedAt: pending + 240,
    labels,
    description,
  };
}
