import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { recordWith } from "./recorded.fixture.ts";

test("a prod stack whose alerts reach nobody causes a warning", async (t) => {
  const warnings = t.mock.method(pulumi.log, "warn", () => {});
  const warned = async (stack: string, values: Record<string, string>) => {
    warnings.mock.resetCalls();
    await recordWith(stack, values);
    return warnings.mock.calls.map(({ arguments: [text] }) => String(text));
  };
  assert.match((await warned("prod", {})).join("\n"), /^alerts of prod reach nobody: .*alertEmail/);
  assert.deepEqual(await warned("prod", { alertEmail: "ops@example.com" }), []);
  assert.deepEqual(await warned("prod", { alertWebhook: "https://alerts.example.com/token" }), []);
  const alertSlack = "https://hooks.slack.com/services/T/B/C";
  // Slack and PagerDuty get alerts from Alertmanager alone, which cannot report that its own VM is down.
  for (const values of [{ alertSlack }, { alertPagerduty: "0123456789abcdef0123456789abcdef" }])
    assert.match(
      (await warned("prod", values)).join("\n"),
      /^nobody is notified when the monitoring VM of prod is down/,
    );
  assert.deepEqual(await warned("prod", { alertSlack, alertEmail: "ops@example.com" }), []);
  assert.deepEqual(await warned("staging", {}), []);
});
