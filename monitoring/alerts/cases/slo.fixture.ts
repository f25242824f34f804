import { BURN_RATES, IN_TIME_SECONDS } from "../../limits/slos.ts";
import { counterValues } from "../../testing/series.fixture.ts";
import type { AlertCase } from "./alert-case.fixture.ts";

/** Events a second: enough for more than a few bad events in the first minute. */
const EVENTS_PER_SECOND = 100;

/** Cases of the alerts on error budgets. */
export const SLO_CASES: readonly AlertCase[] = [
  ...burnCases("ConnectionSloBurn", 0.001, "connection attempts were refused", (bad) => ({
    'ws_connections_total{instance="g1"}': bad((part) => EVENTS_PER_SECOND * (1 - part)),
    'ws_connections_rejected_total{instance="g1",reason="memory"}': bad((part) => EVENTS_PER_SECOND * part),
  })),
  ...burnCases("LatencySloBurn", 0.01, "deliveries were late", (bad) => ({
    'ws_message_latency_seconds_count{instance="g1"}': bad(() => EVENTS_PER_SECOND),
    [`ws_message_latency_seconds_bucket{instance="g1",le="${IN_TIME_SECONDS}"}`]: bad(
      (part) => EVENTS_PER_SECOND * (1 - part),
    ),
  })),
];

/**
 * One case for each burn rate. At first a part of all events is bad: more than the threshold of this burn
 * rate, and less than the threshold of the next faster burn rate, so that only one alert fires. Later no
 * event is bad.
 *
 * @param budget part of all events that may be bad
 * @param failure the SLO's own text for bad events
 * @param series makes the time series. Its argument turns a rate, which depends on the bad part, into the
 * values of a counter
 */
function burnCases(
  alert: string,
  budget: number,
  failure: string,
  series: (values: (rate: (badPart: number) => number) => string) => Record<string, string>,
): AlertCase[] {
  const step = 60;
  // factor: how many times too fast the budget burns. badMinutes: for how long. resolvedMinute: when the
  // ratio of the short window is below the threshold again.
  const courses = [
    { factor: 20, badMinutes: 8, resolvedMinute: 14 },
    { factor: 10, badMinutes: 20, resolvedMinute: 55 },
    { factor: 5, badMinutes: 70, resolvedMinute: 125 },
    { factor: 2, badMinutes: 200, resolvedMinute: 400 },
  ];
  return BURN_RATES.flatMap(({ factor, long }, index) => {
    const course = courses[index];
    if (course === undefined) return [];
    const part = course.factor * budget;
    return {
      alert,
      step,
      series: series((rate) =>
        counterValues(
          step,
          [rate(part), course.badMinutes * 60],
          [rate(0), (course.resolvedMinute - course.badMinutes + 1) * 60],
        ),
      ),
      conditionAt: step,
      resolvedAt: course.resolvedMinute * 60,
      labels: { window: long },
      description: `${Number((part * 100).toFixed(2))}% of all ${failure} in the last ${long} (alert threshold: ${Number((factor * budget * 100).toFixed(2))}%, ${factor} times what the objective allows).`,
    };
  });
}
