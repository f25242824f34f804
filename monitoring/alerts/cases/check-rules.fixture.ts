import { recordingRules } from "../../limits/recording-rules.ts";
import { assertRuleTest } from "../../testing/promtool.fixture.ts";
import { SAMPLE } from "../../testing/sample-options.fixture.ts";
import type { AlertRule } from "../alert-rules.ts";
import { allAlertRules } from "./all-rules.fixture.ts";

const RECORDING = recordingRules(SAMPLE);
const ALERTS = allAlertRules();

/** Groups with only the rules for which `wanted` is true. */
function only<Rule>(groups: readonly { name: string; rules: Rule[] }[], wanted: (rule: Rule) => boolean) {
  return groups
    .map((group) => ({ ...group, rules: group.rules.filter(wanted) }))
    .filter(({ rules }) => rules.length > 0);
}

/**
 * Names of the recording rules whose results these queries read, directly or through other recording rules.
 */
function recordedFor(queries: readonly string[]): Set<string> {
  const all = RECORDING.flatMap(({ rules }) => rules);
  const found = new Set<string>();
  const open = [...queries];
  for (let query = open.pop(); query !== undefined; query = open.pop()) {
    for (const { record, expr } of all) {
      if (found.has(record) || !query.includes(record)) continue;
      found.add(record);
      open.push(...all.filter((rule) => rule.record === record).map((rule) => rule.expr), expr);
    }
  }
  return found;
}

/**
 * Evaluates alert rules of a deployment on made-up time series, with all recording rules that the alert rules
 * read. The other rules cannot change the result, and take most of promtool's time.
 *
 * @param step seconds from one sample to the next, and from one evaluation to the next
 * @param series values by name of the time series
 * @param expected alerts and query results, with promtool's keys
 * @param wanted whether a rule is evaluated; the default evaluates all rules
 * @throws AssertionError with promtool's output when a result differs
 */
export async function checkRules(
  step: number,
  series: Record<string, string>,
  expected: object,
  wanted: (rule: AlertRule) => boolean = () => true,
): Promise<void> {
  const alerts = only(ALERTS, wanted);
  const recorded = recordedFor(alerts.flatMap(({ rules }) => rules.map(({ expr }) => expr)));
  const recording = only(RECORDING, ({ record }) => recorded.has(record));
  await assertRuleTest({
    step,
    series,
    rules: { "recording.yml": recording, "alerts.yml": alerts },
    expected,
  });
}
