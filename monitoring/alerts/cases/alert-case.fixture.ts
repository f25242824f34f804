import { counterValues, gaugeValues } from "../../testing/series.fixture.ts";

/** What makes one alert fire, and end. Times in seconds from the first sample. */
export interface AlertCase {
  alert: string;
  /** From one sample to the next, and from one evaluation to the next. */
  step: number;
  /** Values by series. */
  series: Record<string, string>;
  /** The first evaluation at which the alert's condition holds. */
  beyond: number;
  /** An evaluation at which it is over. */
  over: number;
  /** Labels besides severity. */
  labels?: Record<string, string>;
  /** As it is sent when it begins to fire. */
  description: string;
}

/** Seconds from one sample to the next in most cases. */
export const STEP = 15;
export const gauge = (
  ...parts: Parameters<typeof gaugeValues> extends [number, ...infer Rest] ? Rest : never
) => gaugeValues(STEP, ...parts);
export const counter = (
  ...parts: Parameters<typeof counterValues> extends [number, ...infer Rest] ? Rest : never
) => counterValues(STEP, ...parts);

export const G1 = { job: "gateway", instance: "g1" };
export const of = (metric: string, labels: Record<string, string>) =>
  `${metric}{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(",")}}`;

/** At its limit for two minutes, beyond it until two minutes after it fires, then well below. */
export function gaugeCase(
  alert: string,
  metric: string,
  [atLimit, beyond, after]: [number, number, number],
  fires: number,
  description: string,
  labels: Record<string, string> = G1,
): AlertCase {
  return {
    alert,
    step: STEP,
    series: { [of(metric, labels)]: gauge([atLimit, 120], [beyond, fires + 120], [after, 60]) },
    beyond: 120,
    over: fires + 240,
    labels,
    description,
  };
}
