import {
  BURN_RATES,
  badEventsFor,
  errorCountName,
  errorRatioName,
  SLOS,
  type SloName,
} from "../limits/slos.ts";
import { type Alert, percent, TEMPLATE } from "./alert.ts";

/** Alerts on the error budgets, one for each rate at which they may burn. */
export function sloAlerts(): Alert[] {
  return [...burnAlerts("connections", "ConnectionSloBurn"), ...burnAlerts("latency", "LatencySloBurn")];
}

/** Both windows have to burn, the long one so that it matters, the short one so that it still goes on; and by more than a few events. */
function burnAlerts(slo: SloName, name: string): Alert[] {
  const { objective, promise, failure } = SLOS[slo];
  return BURN_RATES.map(({ factor, long, short, for: time, least, severity }) => {
    const limit = Number((factor * (1 - objective)).toFixed(6));
    const bad = badEventsFor(slo, severity);
    const burns = (window: string) => `${errorRatioName(slo, window, bad)} > ${limit}`;
    return {
      name,
      expr: `${burns(long)} and ${burns(short)} and ${errorCountName(slo, long, bad)} > ${least}`,
      for: time,
      severity,
      labels: { window: long },
      summary: `Too much of the month's error budget goes: ${promise}`,
      description: `${TEMPLATE.percentage} of all ${failure} in the last ${long} (limit of the alert: ${percent(limit)}, ${factor} times what the objective allows).`,
      dashboard: "operations",
    };
  });
}
