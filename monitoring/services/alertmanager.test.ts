import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { INHIBITIONS } from "../alerts/inhibitions.ts";
import type { MonitoringOptions, Receivers } from "../options.ts";
import { runOnFiles, skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { alertmanagerFiles } from "./alertmanager.ts";

const FILE = "alertmanager/alertmanager.yml";
const skip = skipWithout("amtool");

const ALL_RECEIVERS: Receivers = {
  webhook: { file: "/run/odin/secrets/alertmanager-webhook" },
  pagerduty: { value: "0123456789abcdef0123456789abcdef" },
  slack: { value: "https://hooks.slack.com/services/T/B/C" },
};

const render = (changes: Partial<MonitoringOptions>) =>
  alertmanagerFiles({ ...SAMPLE, ...changes })[FILE] ?? "";

interface Receiver {
  name: string;
  [kind: string]: unknown;
}

function receiversOf(changes: Partial<MonitoringOptions>): Record<string, Receiver> {
  const { receivers }: { receivers: Receiver[] } = parse(render(changes));
  return Object.fromEntries(receivers.map((receiver) => [receiver.name, receiver]));
}

test("amtool accepts every configuration", { skip }, async () => {
  const cases: Partial<MonitoringOptions>[] = [
    {},
    { receivers: ALL_RECEIVERS },
    ...Object.entries(ALL_RECEIVERS).map(([name, value]) => ({ receivers: { [name]: value } })),
    { receivers: { webhook: { value: "https://alerts.example.com/a" } } },
    { receivers: { slack: { file: "/run/odin/secrets/alertmanager-slack" } } },
  ];
  for (const changes of cases) {
    const { ok, output } = await runOnFiles("amtool", ["check-config", FILE], { [FILE]: render(changes) });
    assert.ok(ok, output);
    assert.match(output, /SUCCESS/);
  }
});

test("each alert goes to the receiver of its severity", { skip }, async () => {
  const files = { [FILE]: render({ receivers: ALL_RECEIVERS }) };
  for (const [receiver, ...labels] of [
    ["on-call", "alertname=AllGatewaysDown", "severity=critical"],
    ["in-the-morning", "alertname=HighCpu", "severity=warning"],
    ["nobody", "alertname=AutoscalingEvent", "severity=info"],
  ]) {
    const args = [
      "config",
      "routes",
      "test",
      `--config.file=${FILE}`,
      `--verify.receivers=${receiver}`,
      ...labels,
    ];
    const { ok, output } = await runOnFiles("amtool", args, files);
    assert.ok(ok, `${receiver}: ${output}`);
  }
});

test("the configuration has the path of a secret, or the secret itself if it was given", () => {
  const only = (receivers: Receivers, kind: string) => {
    const [first] = (receiversOf({ receivers })["on-call"]?.[kind] ?? []) as Record<string, unknown>[];
    return first ?? {};
  };
  assert.equal(only(ALL_RECEIVERS, "webhook_configs").url_file, "/run/odin/secrets/alertmanager-webhook");
  assert.equal(only(ALL_RECEIVERS, "pagerduty_configs").routing_key, "0123456789abcdef0123456789abcdef");
  assert.equal(only(ALL_RECEIVERS, "slack_configs").api_url, "https://hooks.slack.com/services/T/B/C");
  const files: Receivers = { pagerduty: { file: "/a" }, slack: { file: "/b" } };
  assert.equal(only(files, "pagerduty_configs").routing_key_file, "/a");
  assert.equal(only(files, "slack_configs").api_url_file, "/b");
});

test("all receivers get resolved alerts too, and PagerDuty gets only critical alerts", () => {
  const all = receiversOf({ receivers: ALL_RECEIVERS });
  const kinds = (name: string) => Object.keys(all[name] ?? {}).filter((key) => key !== "name");
  assert.deepEqual(kinds("on-call"), ["webhook_configs", "pagerduty_configs", "slack_configs"]);
  assert.deepEqual(kinds("in-the-morning"), ["webhook_configs", "slack_configs"]);
  assert.deepEqual(kinds("nobody"), []);
  for (const name of ["on-call", "in-the-morning"])
    for (const kind of kinds(name))
      for (const config of (all[name]?.[kind] ?? []) as { send_resolved?: boolean }[])
        assert.equal(config.send_resolved, true, `${name} ${kind}`);
});

/** Title and text of a message in Slack about alerts with the given statuses. */
async function message(...statuses: ("firing" | "resolved")[]): Promise<string[]> {
  const { "on-call": onCall } = receiversOf({ receivers: ALL_RECEIVERS });
  const [slack] = (onCall?.slack_configs ?? []) as Record<string, string>[];
  const alerts = statuses.map((status, index) => ({
    status,
    labels: { instance: `gateway-${index}` },
    annotations: {
      summary: `summary ${index}`,
      description: `It is 9${index} %.`,
      runbook_url: `https://example.com/runbook.md#${index}`,
      dashboard_url: `http://localhost:3010/d/${index}`,
    },
  }));
  const status = statuses.includes("firing") ? "firing" : "resolved";
  const data = JSON.stringify({ status, alerts, commonLabels: { stack: "prod" } });
  const rendered = [slack?.title ?? "", slack?.text ?? ""].map(async (text) => {
    const files = { "any.tmpl": '{{ define "any" }}{{ end }}', "data.json": data };
    const args = [
      "template",
      "render",
      "--template.glob=any.tmpl",
      "--template.data=data.json",
      `--template.text=${text}`,
    ];
    const { ok, output } = await runOnFiles("amtool", args, files);
    assert.ok(ok, output);
    return output.trimEnd();
  });
  return Promise.all(rendered);
}

test("a message lists firing alerts with value and links, and resolved alerts as resolved", {
  skip,
}, async () => {
  assert.deepEqual(await message("firing"), [
    "[FIRING] prod: summary 0",
    "It is 90 %.\nhttps://example.com/runbook.md#0\nhttp://localhost:3010/d/0",
  ]);
  assert.deepEqual(await message("resolved", "firing", "firing"), [
    "[FIRING] prod: summary 1 (2)",
    [
      "It is 91 %.\nhttps://example.com/runbook.md#1\nhttp://localhost:3010/d/1",
      "It is 92 %.\nhttps://example.com/runbook.md#2\nhttp://localhost:3010/d/2",
      "Resolved: summary 0 (gateway-0)",
    ].join("\n"),
  ]);
  assert.deepEqual(await message("resolved", "resolved"), [
    "[RESOLVED] prod: summary 0 (2)",
    "Resolved: summary 0 (gateway-0)\nResolved: summary 1 (gateway-1)",
  ]);
});

test("without receivers Alertmanager sends nothing", () => {
  assert.deepEqual(Object.values(receiversOf({})), [
    { name: "on-call" },
    { name: "in-the-morning" },
    { name: "nobody" },
  ]);
});

test("alerts of the same name and stack arrive in one message", () => {
  const { route } = parse(render({}));
  assert.deepEqual(route.group_by, ["alertname", "stack"]);
});

test("every inhibition becomes an inhibition rule", () => {
  const { inhibit_rules: rules } = parse(render({}));
  assert.equal(rules.length, INHIBITIONS.length);
  assert.deepEqual(rules[0].source_matchers, ["alertname = NatsUnreachable"]);
  assert.match(rules[0].target_matchers[0], /^alertname =~ ".*\bStreamSilent\b.*"$/);
  assert.deepEqual(rules.at(-1).equal, ["stack", "instance", "mountpoint"]);
  const burn = rules.find(({ source_matchers: [name] }: { source_matchers: string[] }) =>
    name?.includes("LatencySloBurn"),
  );
  assert.deepEqual(burn.source_matchers, ["alertname = LatencySloBurn", "severity = critical"]);
  assert.deepEqual(burn.target_matchers, ["alertname = LatencySloBurn", "severity = warning"]);
});
