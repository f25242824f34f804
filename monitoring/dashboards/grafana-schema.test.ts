import assert from "node:assert/strict";
import { test } from "node:test";
import { schemaErrors } from "../testing/grafana-schema.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { dashboardFiles } from "./dashboard-files.ts";

/** Changes that turn a valid dashboard into an invalid one. */
const MISTAKES: [dashboard: string, from: string, to: string][] = [
  ["operations", '"schemaVersion": 42,', ""],
  ["operations", '"graphTooltip": 1', '"graphTooltip": 7'],
  ["operations", '"iconColor": "blue",', '"iconColour": "blue",'],
  ["operations", '"mode": "dashed"', '"mode": "dotted"'],
  ["operations", '"graphMode": "none"', '"graphMode": 0'],
  ["operations", '"showHeader": true', '"showHeaders": true'],
  ["operations", '"lineWidth": 1', '"lineWidth": "1"'],
  ["operations", '"legendFormat": "open"', '"legend": "open"'],
  ["operations", '"refresh": 2', '"refresh": 3'],
  ["logs", '"sortOrder": "Descending"', '"sortOrder": "newest"'],
  ["logs", '"queryType": "instant"', '"format": "table"'],
];

test("dashboards match Grafana's schema, and the check finds mistakes", { timeout: 180_000 }, async () => {
  const files = dashboardFiles(SAMPLE);
  const mistakes = MISTAKES.map(([name, from, to]) => {
    const right = files[`grafana/dashboards/${name}.json`] ?? "";
    assert.ok(right.includes(from), `${name} has ${from}`);
    return { json: right.replace(from, to), wrong: true };
  });
  const withPublisher = dashboardFiles({ ...SAMPLE, kind: "capacity-test" });
  const right = [files, withPublisher].flatMap((boards) => Object.values(boards)).map((json) => ({ json }));
  assert.deepEqual(await schemaErrors([...right, ...mistakes]), []);
});
