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
  const outside =
    "nobody is notified of monitoring that is down, and entrances that do not answer in stack prod: pulumi config set alertEmail ops@example.com --stack prod";
  assert.deepEqual(await warned("prod", { alertSlack }), [outside]);
  // PagerDuty does not get warnings.
  assert.deepEqual(await warned("prod", { alertPagerduty: "0123456789abcdef0123456789abcdef" }), [
    "nobody is notified of warnings in stack prod: pulumi config set alertEmail ops@example.com --stack prod",
    outside,
  ]);
  assert.deepEqual(await warned("prod", { alertSlack, alertEmail: "ops@example.com" }), []);
  assert.deepEqual(await warned("staging", {}), []);
});

test("a preview says who is notified of what, and an update does not repeat it", async (t) => {
  const infos = t.mock.method(pulumi.log, "info", () => {});
  const said = async (stack: string, values: Record<string, string>, isPreview: boolean) => {
    t.mock.method(pulumi.runtime, "isDryRun", () => isPreview);
    infos.mock.resetCalls();
    await recordWith(stack, values);
    const lines = infos.mock.calls.map(({ arguments: [text] }) => String(text));
    return lines.filter((text) => text.startsWith("who is notified"));
  };
  const mail = { alertEmail: "ops@example.com" };
  assert.deepEqual(await said("staging", mail, true), [
    [
      "who is notified of what:",
      "  critical alerts: mail",
      "  warnings: mail",
      "  monitoring that is down, and entrances that do not answer: mail",
    ].join("\n"),
  ]);
  assert.deepEqual(await said("staging", mail, false), []);
  assert.deepEqual(await said("capacity", {}, true), []);
});
