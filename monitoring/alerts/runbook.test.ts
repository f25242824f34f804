import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { KNOWN_METRICS, metricsIn } from "../testing/metric-names.fixture.ts";
import { runbookAnchor } from "./alert-rules.ts";
import { allAlertRules } from "./cases/all-rules.fixture.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const runbook = read("docs/runbook.md");
const parts = new Map(sections(runbook, "## "));
const alertSections = new Map(sections(parts.get("alerts") ?? "", "### "));
const ownAlerts = new Set(
  allAlertRules().flatMap(({ rules }) => rules.map(({ alert }) => runbookAnchor(alert))),
);
/** Alerts of Google Cloud's own monitoring. */
const outsideAlerts = new Set(
  [...read("infra/rollout/watchdog-alerts.ts").matchAll(/docs\/runbook\.md: ([^`\n]+)`/g)].map(([, title]) =>
    anchorOf(title ?? ""),
  ),
);

/** Each section of a heading level: the anchor of its heading, and the text below. */
function sections(text: string, mark: string): [anchor: string, text: string][] {
  return text
    .split(new RegExp(`^${mark}`, "m"))
    .slice(1)
    .map((section) => {
      const end = section.indexOf("\n");
      return [anchorOf(section.slice(0, end)), section.slice(end)];
    });
}

/** The anchor that the code host makes from a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

test("every alert has a section in the runbook, and every section has an alert", () => {
  assert.ok(ownAlerts.size > 20);
  assert.equal(outsideAlerts.size, 5);
  assert.deepEqual([...alertSections.keys()].sort(), [...new Set([...ownAlerts, ...outsideAlerts])].sort());
});

test("a section of the runbook has a meaning, three commands, and a line on escalation", () => {
  for (const [anchor, text] of alertSections) {
    const [meaning = ""] = text.trim().split("\n\n");
    assert.match(meaning, /^[A-Z].{30,}/, anchor);
    const [, commands = ""] = text.match(/^```sh\n([\s\S]*?)^```/m) ?? [];
    assert.equal(commands.trim().split("\n").length, 3, `${anchor}: three commands`);
    assert.match(text, /^Escalate: .+\.$/m, anchor);
  }
});

test("every link in the runbook leads to a section of the runbook", () => {
  const anchors = new Set([...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading ?? "")));
  const links = [...runbook.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
  assert.ok(links.length > 30);
  for (const link of links) assert.ok(link && anchors.has(link), link);
});

test("outputs, configuration keys, units and firewall rules that the runbook names exist", () => {
  const found = (pattern: RegExp) => new Set([...runbook.matchAll(pattern)].map(([, name]) => name ?? ""));
  const service = read("stacks/service.ts");
  for (const output of found(/pulumi stack output (\w+)/g))
    assert.match(service, new RegExp(`\\b${output}\\b`));
  const keys = read("stacks/config/keys.ts");
  for (const key of found(/pulumi config (?:set|rm)(?: --secret)? (\w+)/g))
    assert.match(keys, new RegExp(`^  ${key}: `, "m"), key);
  const startup = [
    "backend",
    "config-sync",
    "containers",
    "heartbeat",
    "monitoring-stack",
    "nats-server",
    "gateway",
    "leaving",
  ]
    .map((file) => read(`infra/startup/${file}.sh`))
    .join("\n");
  const units = found(/(?:CONTAINER_NAME=|-u |systemctl \w+(?:-\w+)? |`)odin-([a-z-]+[a-z])\b(?!\.>)/g);
  assert.ok(units.size > 5);
  for (const unit of units)
    assert.match(
      startup,
      new RegExp(`odin-${unit}\\.service|start_${unit}|container ${unit} |each_minute ${unit} `),
      unit,
    );
  const rules = read("infra/network/firewall-rules.ts");
  for (const rule of found(/(?:firewall rule `|firewall-rules describe )\$PREFIX-([a-z-]+)/g))
    assert.match(rules, new RegExp(`name: "${rule}"`), rule);
});

test("metrics in the runbook's queries exist", () => {
  const queries = [...runbook.matchAll(/^ask '(.+?)'/gm)].map(([, promql]) => promql ?? "");
  assert.ok(queries.length > 30);
  const names = queries.flatMap(metricsIn);
  assert.ok(names.length > 30);
  for (const name of names) assert.ok(KNOWN_METRICS.has(name), name);
});
