import assert from "node:assert/strict";
import { test } from "node:test";
import { PUBLISHER_METRIC } from "../limits/metrics.ts";
import { localOptions } from "../local/options.ts";
import type { MonitoringOptions } from "../options.ts";
import { dashboardQueries } from "../testing/dashboard-queries.fixture.ts";
import { KNOWN_METRICS, metricsIn } from "../testing/metric-names.fixture.ts";
import { assertRuleTest } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { counterValues, gaugeValues } from "../testing/series.fixture.ts";
import { dashboardFiles } from "./dashboard-files.ts";

const files = dashboardFiles({ ...SAMPLE, kind: "capacity-test" });
const SHOWN_ON = ["grafana/dashboards/capacity-test.json", "grafana/dashboards/nats.json"];

/** Queries of the panels on the publisher. */
function publisherQueries(of: Record<string, string>) {
  return dashboardQueries(of).filter(({ expr }) => expr.includes("publisher_"));
}

test("where the publisher's service runs, every metric of it is shown, on two dashboards", () => {
  const queries = publisherQueries(files);
  assert.deepEqual([...new Set(queries.map(({ path }) => path))], SHOWN_ON);
  for (const path of SHOWN_ON) {
    const used = new Set(
      queries.filter((query) => query.path === path).flatMap(({ expr }) => metricsIn(expr)),
    );
    const { storeSeconds, ...others } = PUBLISHER_METRIC;
    assert.deepEqual([...used].sort(), [`${storeSeconds}_bucket`, ...Object.values(others)].sort());
    for (const name of used) assert.ok(KNOWN_METRICS.has(name), name);
  }
});

test("elsewhere there is no panel on the publisher", () => {
  const shown = (options: MonitoringOptions) => publisherQueries(dashboardFiles(options)).length > 0;
  assert.equal(shown(SAMPLE), false);
  assert.equal(shown({ ...SAMPLE, publisher: true }), false, "a service has backends instead");
  assert.equal(shown(localOptions()), false);
  assert.equal(shown(localOptions({ publisher: true })), true);
});

test("every panel on the publisher has a line", () => {
  for (const path of SHOWN_ON) {
    const { panels } = JSON.parse(files[path] ?? "") as {
      panels: {
        title: string;
        targets?: { expr: string }[];
        fieldConfig?: { defaults: { thresholds: { steps: object[] } } };
      }[];
    };
    const own = panels.filter(({ targets }) => targets?.some(({ expr }) => expr.includes("publisher_")));
    assert.equal(own.length, 7);
    for (const { title, fieldConfig } of own)
      assert.equal(fieldConfig?.defaults.thresholds.steps.length, 2, title);
  }
});

test("panels show the time until events are stored, rates and the queue", {
  skip: skipWithout("promtool"),
}, async () => {
  const STEP = 15;
  const END = 600;
  const job = 'job="publisher",instance="monitoring"';
  const bucket = (le: string) => `${PUBLISHER_METRIC.storeSeconds}_bucket{${job},le="${le}"}`;
  const series = {
    // All events take between 5 and 10 ms.
    [bucket("0.005")]: counterValues(STEP, [0, END]),
    [bucket("0.01")]: counterValues(STEP, [40, END]),
    [bucket("+Inf")]: counterValues(STEP, [40, END]),
    [`${PUBLISHER_METRIC.stored}{${job}}`]: counterValues(STEP, [40, END]),
    [`${PUBLISHER_METRIC.refused}{${job}}`]: counterValues(STEP, [2, END]),
    [`${PUBLISHER_METRIC.inFlight}{${job}}`]: gaugeValues(STEP, [7, END]),
    [`${PUBLISHER_METRIC.connected}{${job}}`]: gaugeValues(STEP, [1, END]),
  };
  const expected: [where: string, labels: string, value: number][] = [
    ['panel "Time until events are stored" A', "{}", 0.0075],
    ['panel "Published and stored" B', "{}", 40],
    ['panel "Refused, left out, sent again" A', "{}", 2],
    ['panel "Queue of the publisher" B', "{}", 7],
    ['panel "Publisher connected" A', `${PUBLISHER_METRIC.connected}{${job}}`, 1],
  ];
  const promql_expr_test = expected.map(([where, labels, value]) => {
    const query = publisherQueries(files).find((candidate) => candidate.where === where);
    assert.ok(query, where);
    return { expr: query.expr, eval_time: "9m", exp_samples: [{ labels, value }] };
  });
  await assertRuleTest({ step: STEP, series, expected: { promql_expr_test }, fuzzyCompare: true });
});
