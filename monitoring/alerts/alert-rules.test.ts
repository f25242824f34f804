import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DASHBOARD_UIDS } from "../dashboards/uids.ts";
import { recordingRules } from "../limits/recording-rules.ts";
import { THRESHOLDS } from "../limits/thresholds.ts";
import type { MonitoringOptions } from "../options.ts";
import { promtool, WITHOUT_PROMTOOL } from "../testing/promtool.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { type AlertRule, alertRules, INHIBITIONS, runbookAnchor, WATCHDOG } from "./alert-rules.ts";
import type { AlertCase } from "./cases/alert-case.fixture.ts";
import { ALERT_CASES } from "./cases/all-cases.fixture.ts";
import { checkRules } from "./cases/check-rules.fixture.ts";

const groups = alertRules(SAMPLE);
const rules = groups.flatMap((group) => group.rules);
const skip = WITHOUT_PROMTOOL;

/** Seconds of `2m`. */
function seconds(time: string): number {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[time.at(-1) ?? ""];
  assert.ok(unit, `a time that is not understood: ${time}`);
  return Number.parseInt(time, 10) * unit;
}

function ruleOf({ alert, labels = {} }: AlertCase): AlertRule {
  const [rule, ...others] = rules.filter(
    (candidate) => candidate.alert === alert && candidate.labels.window === labels.window,
  );
  assert.ok(rule && others.length === 0, `there is one rule ${alert} ${labels.window ?? ""}`);
  return rule;
}

for (const [index, row] of ALERT_CASES.entries()) {
  const name = [row.alert, row.labels?.window ?? ""].join(" ").trim();
  test(`case ${index}, ${name}: silent before its time, then firing, then over`, { skip }, async () => {
    const rule = ruleOf(row);
    const fires = row.beyond + seconds(rule.for);
    assert.ok(row.over > fires, "the case ends after the alert has begun");
    // What the templates become: links and titles hold labels at most.
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
    const alert_rule_test = [at(fires - row.step, []), at(fires, [firing]), at(row.over, [])];
    await checkRules(row.step, row.series, { alert_rule_test });
  });
}

test("every alert has a case", () => {
  const idOf = (name: string, window: string | undefined) => `${name} ${window ?? ""}`;
  const tested = new Set(ALERT_CASES.map(({ alert, labels }) => idOf(alert, labels?.window)));
  const existing = rules.map(({ alert, labels }) => idOf(alert, labels.window));
  assert.equal(new Set(existing).size, existing.length, "no two alerts are alike");
  assert.deepEqual(
    existing.filter((id) => !tested.has(id)),
    [idOf(WATCHDOG, undefined)],
  );
});

test("the dead man's switch fires from the start, without any data", { skip }, async () => {
  const [rule] = rules.filter(({ alert }) => alert === WATCHDOG);
  assert.ok(rule);
  const description = "Always firing (1): when it stops to arrive, no other alert arrives either.";
  const firing = { exp_labels: rule.labels, exp_annotations: { ...rule.annotations, description } };
  const alert_rule_test = ["0s", "1h"].map((eval_time) => ({
    eval_time,
    alertname: WATCHDOG,
    exp_alerts: [firing],
  }));
  await checkRules(60, {}, { alert_rule_test });
});

test("promtool finds nothing wrong, for any kind of deployment", { skip }, async () => {
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

test("each alert says how serious it is, what is the case, with its value, and where to look", () => {
  const dashboards = Object.values(DASHBOARD_UIDS).map((uid) => `${SAMPLE.grafanaUrl}/d/${uid}`);
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity ?? "", /^(critical|warning|info)$/, alert);
    assert.ok(annotations.summary.length > 10, alert);
    assert.match(annotations.description, /\{\{ \$value/, alert);
    assert.ok(dashboards.includes(annotations.dashboard_url), alert);
    assert.equal(annotations.runbook_url, `${SAMPLE.runbookUrl}#${runbookAnchor(alert)}`);
  }
});

test("every row of the table is an alert's", () => {
  const sources = ["gateway", "nats", "monitoring"].map((part) =>
    readFileSync(new URL(`${part}.ts`, import.meta.url), "utf8"),
  );
  for (const name of Object.keys(THRESHOLDS)) {
    assert.match(sources.join(""), new RegExp(`due\\(T\\.${name}\\)`), name);
  }
});

test("alerts are left out where nothing could raise them", () => {
  const { domain, ...noDomain } = SAMPLE;
  const names = (options: MonitoringOptions) =>
    new Set(alertRules(options).flatMap((group) => group.rules.map(({ alert }) => alert)));
  const all = names(SAMPLE);
  const missing = (options: MonitoringOptions) => [...all].filter((name) => !names(options).has(name)).sort();
  assert.deepEqual(missing(noDomain), ["CertificateExpiring", "EntranceBroken"]);
  assert.deepEqual(missing({ ...SAMPLE, kind: "local" }), [
    "DiscoveryFailing",
    "DiskFillingUp",
    "DiskNearlyFull",
  ]);
  assert.deepEqual(missing({ ...SAMPLE, natsMonitoring: [] }), [
    "JetstreamNearlyFull",
    "NatsServerDown",
    "NatsSlowConsumer",
  ]);
  assert.ok(domain);
});

test("inhibitions name alerts that exist, and a consequence is never due before its source", () => {
  const dueOf = (name: string, severity?: string) =>
    rules
      .filter(({ alert, labels }) => alert === name && (!severity || labels.severity === severity))
      .map((rule) => seconds(rule.for));
  for (const { source, targets } of INHIBITIONS) {
    const begins = Math.min(...dueOf(source.alertname, source.severity));
    assert.ok(Number.isFinite(begins), source.alertname);
    for (const name of targets.alertnames) {
      const due = dueOf(name, targets.severity);
      assert.ok(due.length > 0, name);
      // What is cut off at once (0 s) is badEventsFor over a window, and comes when NATS is back.
      if (Math.min(...due) > 0) assert.ok(Math.min(...due) >= begins, `${name} after ${source.alertname}`);
    }
  }
});

test("what is told of one gateway is silenced by that gateway's trouble only", () => {
  const ofOne = rules
    .filter(({ annotations }) => annotations.summary.includes("Gateway {{ $labels.instance }}"))
    .map(({ alert }) => alert)
    .concat("HighLatency");
  assert.ok(ofOne.includes("NatsUnreachable") && ofOne.includes("HighDropRate"));
  for (const { source, targets, equal } of INHIBITIONS.filter((row) =>
    ofOne.includes(row.source.alertname),
  )) {
    for (const name of targets.alertnames.filter((each) => ofOne.includes(each))) {
      assert.ok(equal.includes("instance"), `${name} by ${source.alertname}`);
    }
  }
});

test("the runbook's anchor of an alert", () => {
  assert.equal(runbookAnchor("AllGatewaysDown"), "all-gateways-down");
  assert.equal(runbookAnchor("Watchdog"), "watchdog");
});
