import assert from "node:assert/strict";
import { runOnFiles } from "./run-on-files.fixture.ts";

/**
 * Runs promtool in a temporary folder that holds the given files.
 *
 * @param command for example `test rules`
 * @param files content by path; content that is not text is written as YAML
 * @param last paths of the files that promtool gets as its last arguments
 * @returns promtool's output, and whether promtool exited with 0
 */
export function promtool(
  command: string,
  files: Record<string, unknown>,
  last: readonly string[],
): Promise<{ ok: boolean; output: string }> {
  return runOnFiles("promtool", [...command.split(" "), ...last], files);
}

/** One run of `promtool test rules`. */
export interface RuleTest {
  /** Seconds from one sample to the next, and from one evaluation to the next. */
  step: number;
  /** Values of each time series, in promtool's notation: see `gaugeValues` and `counterValues`. */
  series: Record<string, string>;
  /**
   * Rule groups by file name. Groups run in this order, so that alerts see what was recorded at the same
   * time.
   */
  rules?: Record<string, readonly { name: string }[]>;
  /** Expected alerts and query results, with promtool's keys: `alert_rule_test`, `promql_expr_test`. */
  expected: object;
  /** Whether tiny differences between numbers are ignored. Default: no. */
  fuzzyCompare?: boolean;
}

/**
 * Evaluates rules and queries on made-up time series.
 *
 * @throws AssertionError with promtool's output when a result differs
 */
export async function assertRuleTest({
  step,
  series,
  rules = {},
  expected,
  fuzzyCompare = false,
}: RuleTest): Promise<void> {
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const test = {
    rule_files: Object.keys(rules),
    evaluation_interval: `${step}s`,
    group_eval_order: Object.values(rules).flatMap((groups) => groups.map(({ name }) => name)),
    fuzzy_compare: fuzzyCompare,
    tests: [{ interval: `${step}s`, input_series, ...expected }],
  };
  const ruleFiles = Object.fromEntries(Object.entries(rules).map(([path, groups]) => [path, { groups }]));
  const { ok, output } = await promtool("test rules", { ...ruleFiles, "test.yml": test }, ["test.yml"]);
  assert.ok(ok, output);
}
