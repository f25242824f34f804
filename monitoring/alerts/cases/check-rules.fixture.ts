import { recordingRules } from "../../limits/recording-rules.ts";
import { assertRuleTest } from "../../testing/promtool.fixture.ts";
import { SAMPLE } from "../../testing/sample-options.fixture.ts";
import { alertRules } from "../alert-rules.ts";

const RULES = { "recording.yml": recordingRules(SAMPLE), "alerts.yml": alertRules(SAMPLE) };

/**
 * Evaluates all rules of a deployment on made-up time series.
 *
 * @param step seconds from one sample to the next, and from one evaluation to the next
 * @param series values by name of the time series
 * @param expected alerts and query results, with promtool's keys
 * @throws AssertionError with promtool's output when a result differs
 */
export async function checkRules(
  step: number,
  series: Record<string, string>,
  expected: object,
): Promise<void> {
  await assertRuleTest({ step, series, rules: RULES, expected });
}
