import { BURN_RATES, IN_TIME_SECONDS } from "../../limits/slos.ts";
import { counterValues } from "../../testing/series.fixture.ts";
import type { AlertCase } from "./alert-case.fixture.ts";

/** Events a second, so that bad ones are more than a few from the first minute on. */
const EVENTS = 100;

/** What makes each alert on an error budget fire. */
export const SLO_CASES: readonly AlertCase[] = [
  ...burnCases("ConnectionSloBurn", 0.001, "connection attempts were refused", (bad) => ({
    'ws_connections_total{instance="g1"}': bad((part) => EVENTS * (1 - part)),
    'ws_connections_rejected_total{instance="g1",reason="memory"}': bad((part) => EVENTS * part),
  })),
  ...burnCases("LatencySloBurn", 0.01, "deliveries were late", (bad) => ({
    'ws_message_latency_seconds_count{instance="g1"}': bad(() => EVENTS),
    [`ws_message_latency_seconds_bucket{instance="g1",le="${IN_TIME_SECONDS}"}`]: bad(
      (part) => EVENTS * (1 - part),
    ),
  })),
];

/**
 * A part of events is bad from the beginning, more than the alert's limit and less than the limit of the next faster one, so that it alone
 * fires; after a while none is bad.
 *
 * @param series makes the series from the rate of a kind of event, by the part that is bad
 */
function burnCases(
  alert: string,
  budget: number,
  failure: string,
  series: (values: (rate: (badPart: number) => number) => string) => Record<string, string>,
): AlertCase[] {
  const step = 60;
  // Factor by which the budget burns, minutes of it, minute at which the short window's ratio is below the limit again.
  const courses = [
    { burns: 20, bad: 8, over: 14 },
    { burns: 10, bad: 20, over: 55 },
    { burns: 5, bad: 70, over: 125 },
    { burns: 2, bad: 200, over: 400 },
  ];
  return BURN_RATES.flatMap(({ factor, long }, index) => {
    const course = courses[index];
    if (course === undefined) return [];
    const part = course.burns * budget;
    return {
      alert,
      step,
      series: series((rate) =>
        counterValues(step, [rate(part), course.bad * 60], [rate(0), (course.over - course.bad + 1) * 60]),
      ),
      beyond: step,
      over: course.over * 60,
      labels: { window: long },
      description: `${Number((part * 100).toFixed(2))}% of all ${failure} in the last ${long} (limit of the alert: ${Number((factor * budget * 100).toFixed(2))}%, ${factor} times what the objective allows).`,
    };
  });
}
