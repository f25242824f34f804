import assert from "node:assert/strict";
import { recordingRules } from "../../limits/recording-rules.ts";
import { promtool } from "../../testing/promtool.fixture.ts";
import { SAMPLE } from "../../testing/sample-options.fixture.ts";
import { alertRules } from "../alert-rules.ts";

const recorded = recordingRules(SAMPLE);
const groups = alertRules(SAMPLE);

/**
 * Runs promtool's test of our rules; all of what it prints is in the error. Groups run in the order of the rules' files: alerts see what was
 * recorded at the same time.
 *
 * @param step seconds from one sample to the next, and from one evaluation to the next
 * @param series values by series
 * @param tests what is expected, in promtool's words
 */
export async function checkRules(step: number, series: Record<string, string>, tests: object): Promise<void> {
  const input_series = Object.entries(series).map(([name, values]) => ({ series: name, values }));
  const file = {
    rule_files: ["recording.yml", "alerts.yml"],
    evaluation_interval: `${step}s`,
    group_eval_order: [...recorded, ...groups].map(({ name }) => name),
    tests: [{ interval: `${step}s`, input_series, ...tests }],
  };
  const files = { "recording.yml": { groups: recorded }, "alerts.yml": { groups }, "test.yml": file };
  const { ok, output } = await promtool("test rules", files, ["test.yml"]);
  assert.ok(ok, output);
}
