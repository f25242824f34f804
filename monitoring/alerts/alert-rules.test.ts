import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DASHBOARD_UIDS } from "../dashboards/uids.ts";
import { recordingRules } from "../limits/recording-rules.ts";
import { THRESHOLDS } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { secondsOf } from "../testing/duration.fixture.ts";
import { promtool } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { type AlertRule, alertRules, runbookAnchor } from "./alert-rules.ts";
import type { AlertCase } from "./cases/alert-case.fixture.ts";
import { ALERT_CASES } from "./cases/all-cases.fixture.ts";
import { allAlertRules } from "./cases/all-rules.fixture.ts";
import { checkRules } from "./cases/check-rules.fixture.ts";
import { WATCHDOG } from "./monitoring.ts";

const groups = allAlertRules();
const rules = groups.flatMap((group) => group.rules);
const skip = skipWithout("promtool");

function ruleOf({ alert, labels = {} }: AlertCase): AlertRule {
  const [rule, ...others] = rules.filter(
    (candidate) => candidate.alert === alert && candidate.labels.window === labels.window,
  );
  assert.ok(rule && others.length === 0, `there is one rule ${alert} ${labels.window ?? ""}`);
  return rule;
}

for (const [index, row] of ALERT_CASES.entries()) {
  const name = [row.alert, row.labels?.window ?? ""].join(" ").trim();
  test(`case ${index}, ${name}: does not fire too early, then fires, then ends`, { skip }, async () => {
    const rule = ruleOf(row);
    const fires = row.conditionAt + secondsOf(rule.for);
    assert.ok((row.resolvedAt ?? Infinity) > fires, "the case must end after the alert has begun");
    // Fills in the templates of a summary or a link, which contain labels only.
    const filled = (text: string) =>
      text.replaceAll(/{{ \$labels\.(\w+) }}/g, (_, label: string) => row.labels?.[label] ?? "");
    const firing = {
      exp_labels: { ...row.labels, ...rule.labels },
      exp_annotations: {
        ...rule.annotations,
        summary: filled(rule.annotations.summary),
        description: row.description,
      },
    };
    const at = (time: number, expected: object[]) => ({
      eval_time: `${time}s`,
      alertname: row.alert,
      exp_alerts: expected,
    });
    const ends = row.resolvedAt === undefined ? [] : [at(row.resolvedAt, [])];
    const alert_rule_test = [at(fires - row.step, []), at(fires, [firing]), ...ends];
    const { alert } = row;
    await checkRules(row.step, row.series, { alert_rule_test }, (other) => other.alert === alert);
  });
}

test("every alert has a case", () => {
  const idOf = (name: string, window: string | undefined) => `${name} ${window ?? ""}`;
  const tested = new Set(ALERT_CASES.map(({ alert, labels }) => idOf(alert, labels?.window)));
  const existing = rules.map(({ alert, labels }) => idOf(alert, labels.window));
  assert.equal(new Set(existing).size, existing.length, "no two alerts have the same name and window");
  assert.deepEqual(
    existing.filter((id) => !tested.has(id)),
    [idOf(WATCHDOG, undefined)],
  );
});

test("Watchdog fires from the start, without any data", { skip }, async () => {
  const [rule] = rules.filter(({ alert }) => alert === WATCHDOG);
  assert.ok(rule);
  const description =
    "This alert always fires (value 1). If this alert stops arriving, no other alert arrives either.";
  const firing = { exp_labels: rule.labels, exp_annotations: { ...rule.annotations, description } };
  const alert_rule_test = ["0s", "1h"].map((eval_time) => ({
    eval_time,
    alertname: WATCHDOG,
    exp_alerts: [firing],
  }));
  await checkRules(60, {}, { alert_rule_test }, ({ alert }) => alert === WATCHDOG);
});

test("promtool accepts the rules of every kind of deployment", { skip }, async () => {
  const { domain, ...noDomain } = SAMPLE;
  for (const kind of ["service", "capacity-test", "local"] as const) {
    const options: MonitoringOptions = { ...noDomain, kind, natsMonitoring: [] };
    const files = {
      "recording.yml": { groups: recordingRules(options) },
      "alerts.yml": { groups: alertRules(options) },
    };
    const { ok, output } = await promtool("check rules --lint=all --lint-fatal", files, Object.keys(files));
    assert.ok(ok, output);
  }
  assert.ok(domain);
});

test("each alert has a severity, a summary, a description with the value, and links", () => {
  const dashboards = Object.values(DASHBOARD_UIDS).map((uid) => `${SAMPLE.grafanaUrl}/d/${uid}`);
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity ?? "", /^(critical|warning|info)$/, alert);
    assert.ok(annotations.summary.length > 10, alert);
    assert.match(annotations.description, /\{\{ \$value/, alert);
    assert.ok(dashboards.includes(annotations.dashboard_url), alert);
    assert.equal(annotations.runbook_url, `${SAMPLE.runbookUrl}#${runbookAnchor(alert)}`);
  }
});

test("every row of the table of thresholds belongs to an alert", () => {
  const sources = ["gateway", "nats", "publisher", "regions", "monitoring"].map((part) =>
    readFileSync(new URL(`${part}.ts`, import.meta.url), "utf8"),
  );
  for (const name of Object.keys(THRESHOLDS)) {
    assert.match(sources.join(""), new RegExp(`timingAndSeverity\\(T\\.${name}\\)`), name);
  }
});

test("a deployment has no alerts on parts that it does not have", () => {
  const { domain, ...noDomain } = SAMPLE;
  const names = (options: MonitoringOptions) =>
    new Set(alertRules(options).flatMap((group) => group.rules.map(({ alert }) => alert)));
  const all = names(SAMPLE);
  const missing = (options: MonitoringOptions) => [...all].filter((name) => !names(options).has(name)).sort();
  assert.deepEqual(missing(noDomain), ["CertificateExpiring", "EntranceBroken"]);
  assert.deepEqual(missing({ ...SAMPLE, kind: "local" }), [
    "ConntrackNearlyFull",
    "DiscoveryFailing",
    "DiskFillingUp",
    "DiskNearlyFull",
    "KernelDropsConnections",
    "MachineMemoryLow",
    "NatsCertificateExpiring",
  ]);
  const { natsCredentialsEnd, ...unlimited } = SAMPLE;
  assert.ok(natsCredentialsEnd);
  assert.deepEqual(missing(unlimited), ["NatsCredentialsExpiring"]);
  assert.deepEqual(missing({ ...SAMPLE, natsMonitoring: [] }), [
    "JetstreamNearlyFull",
    "NatsCertificateExpiring",
    "NatsServerDown",
    "NatsSlowConsumer",
  ]);
  assert.ok(domain);
  const onPublisher = (options: MonitoringOptions) =>
    [...names(options)].filter((name) => name.startsWith("Publisher")).length;
  assert.equal(onPublisher(SAMPLE), 0, "a service has backends instead");
  assert.equal(onPublisher({ ...SAMPLE, kind: "local" }), 0);
  assert.equal(onPublisher({ ...SAMPLE, kind: "local", publisher: true }), 5);
  assert.equal(onPublisher({ ...SAMPLE, kind: "capacity-test" }), 5);
});

test("an alert's name becomes the anchor of its section in the runbook", () => {
  assert.equal(runbookAnchor("AllGatewaysDown"), "all-gateways-down");
  assert.equal(runbookAnchor("Watchdog"), "watchdog");
});
