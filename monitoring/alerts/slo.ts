import {
  BURN_RATES,
  badEventsFor,
  errorCountName,
  errorRatioName,
  SLOS,
  type SloName,
} from "../limits/slos.ts";
import { type Alert, percent, TEMPLATE } from "./alert.ts";

/** Alerts on the error budgets: one for each objective and burn rate. */
export function sloAlerts(): Alert[] {
  return [...burnAlerts("connections", "ConnectionSloBurn"), ...burnAlerts("latency", "LatencySloBurn")];
}

/**
 * Three conditions: the long window burns, so the loss matters; the short window burns, so the loss
 * continues; and there were more than a few bad events.
 */
function burnAlerts(slo: SloName, name: string): Alert[] {
  const { objective, promise, failure } = SLOS[slo];
  return BURN_RATES.map(({ factor, long, short, for: time, minEvents, severity }) => {
    const limit = Number((factor * (1 - objective)).toFixed(6));
    const bad = badEventsFor(slo, severity);
    const burns = (window: string) => `${errorRatioName(slo, window, bad)} > ${limit}`;
    return {
      name,
      expr: `${burns(long)} and ${burns(short)} and ${errorCountName(slo, long, bad)} > ${minEvents}`,
      for: time,
      severity,
      labels: { window: long },
      summary: `The error budget burns too fast. Objective: ${promise}`,
      description: `${TEMPLATE.percentage} of all ${failure} in the last ${long} (alert threshold: ${percent(limit)}, ${factor} times what the objective allows).`,
      dashboard: "operations",
    };
  });
}
