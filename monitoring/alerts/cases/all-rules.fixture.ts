import type { RuleGroup } from "../../limits/recording-rules.ts";
import { SAMPLE } from "../../testing/sample-options.fixture.ts";
import { type AlertRule, alertRules } from "../alert-rules.ts";

const PUBLISHER_GROUP = "odin-publisher";

/**
 * The alerts of all kinds of deployments: those of a service with all parts, and those on the publisher's
 * service, which only a capacity test and a laptop run.
 */
export function allAlertRules(): RuleGroup<AlertRule>[] {
  const ofService = alertRules(SAMPLE).filter(({ name }) => name !== PUBLISHER_GROUP);
  const ofCapacityTest = alertRules({ ...SAMPLE, kind: "capacity-test" });
  return [...ofService, ...ofCapacityTest.filter(({ name }) => name === PUBLISHER_GROUP)];
}
