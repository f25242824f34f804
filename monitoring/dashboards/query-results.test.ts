import assert from "node:assert/strict";
import { test } from "node:test";
import { RECORD } from "../limits/recording-rules.ts";
import { eventRateName } from "../limits/slos.ts";
import { dashboardQueries } from "../testing/dashboard-queries.fixture.ts";
import { assertRuleTest } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { counterValues, gaugeValues } from "../testing/series.fixture.ts";
import { dashboardFiles } from "./dashboard-files.ts";

const files = dashboardFiles(SAMPLE);
const skip = skipWithout("promtool");

/** Expected result of a query at a time: values by labels. */
type Expected = [where: string, dashboard: string, at: string, samples: Record<string, number>];

/** Runs queries of the dashboards on made-up time series. @param step seconds from one sample to the next */
async function check(
  step: number,
  series: Record<string, string>,
  expected: Expected[],
  dashboards = files,
): Promise<void> {
  const queries = dashboardQueries(dashboards);
  const promql_expr_test = expected.map(([where, dashboard, at, samples]) => {
    const query = queries.find(
      (candidate) => candidate.where === where && candidate.path === `grafana/dashboards/${dashboard}.json`,
    );
    assert.ok(query, `${dashboard} has ${where}`);
    return {
      // Sums of many floating point numbers differ in the last digits.
      expr: `round(${query.expr}, 0.0000001)`,
      eval_time: at,
      exp_samples: Object.entries(samples).map(([labels, value]) => ({
        labels: `{${labels}}`,
        value: Number(value.toFixed(7)),
      })),
    };
  });
  await assertRuleTest({ step, series, expected: { promql_expr_test }, fuzzyCompare: true });
}

const HOUR = 3600;

/** Hourly values over a week that change at a constant rate. */
function week(from: number, perDay: number): string {
  return Array.from({ length: 7 * 24 + 1 }, (_, hour) => from + (perDay * hour) / 24).join(" ");
}

test("growth predicts when the largest fleet is full, and what the fleet will cost", { skip }, async () => {
  const series = {
    [RECORD.connectionsPeak]: week(20_000, 1000), // 27,000 at the end; five gateways accept 50,000
    [RECORD.gateways]: week(3, 0),
  };
  await check(HOUR, series, [
    ['panel "Capacity used, largest fleet" A', "capacity", "168h", { "": 27_000 / 50_000 }],
    ['panel "Days until full" A', "capacity", "168h", { "": 23 }],
    ['panel "Date when full" A', "capacity", "168h", { "": (7 + 23) * 24 * HOUR * 1000 }],
    ['panel "Growth per week" A', "capacity", "168h", { "": 7 / 27 }],
    ['panel "Peak and prediction" B', "capacity", "168h", { "": 34_000 / 50_000 }],
    ['panel "Peak and prediction" C', "capacity", "168h", { "": 55_000 / 50_000 }],
    ['panel "Current fleet, per month" A', "capacity", "168h", { "": 70 + 3 * 50 }],
    // 55,000 connections need seven gateways, if three gateways have 27,000; at most five may run
    ['panel "Fleet in four weeks, per month" A', "capacity", "168h", { "": 70 + 5 * 50 }],
    ['panel "Largest fleet, per month" A', "capacity", "168h", { "": 70 + 5 * 50 }],
  ]);
});

test("a price that is unknown gives no value, which is shown as unknown", { skip }, async () => {
  const unknown = dashboardFiles({
    ...SAMPLE,
    monthlyPrices: { gateway: undefined, base: 70, traffic: undefined },
  });
  const { panels } = JSON.parse(unknown["grafana/dashboards/capacity.json"] ?? "") as {
    panels: { title: string; fieldConfig?: { defaults: { noValue?: string } } }[];
  };
  const costs = panels.filter(({ title }) => title.endsWith(", per month"));
  assert.equal(costs.length, 6);
  for (const { title, fieldConfig } of costs) assert.equal(fieldConfig?.defaults.noValue, "unknown", title);
  const series = {
    [RECORD.gateways]: week(3, 0),
    [RECORD.connectionsPeak]: week(20_000, 0),
    [RECORD.bytes]: week(1e6, 0),
    [RECORD.writes]: week(100, 0),
    [RECORD.connections]: week(100, 0),
  };
  const expected = costs.map(({ title }): Expected => [`panel "${title}" A`, "capacity", "168h", {}]);
  await check(HOUR, series, expected, unknown);
});

test("traffic costs what its bytes and the headers of its packets cost, in steps of the price", {
  skip,
}, async () => {
  const MINUTE = 60;
  const month = 730 * 3600;
  const gib = ((1e6 * (1 + 52 / 1408) + 2000 * 52) * month) / 2 ** 30; // 2,792 GiB
  const usd = 1000 * 0.2 + (gib - 1000) * 0.1;
  const series = {
    [RECORD.bytes]: gaugeValues(MINUTE, [1e6, 24 * HOUR]),
    [RECORD.writes]: gaugeValues(MINUTE, [2000, 24 * HOUR]),
    [RECORD.connections]: gaugeValues(MINUTE, [4000, 24 * HOUR]),
    [RECORD.gateways]: gaugeValues(MINUTE, [3, 24 * HOUR]),
  };
  await check(MINUTE, series, [
    ['panel "Traffic, per month" A', "capacity", "24h", { "": usd }],
    ['panel "Traffic for 1,000 clients, per month" A', "capacity", "24h", { "": usd / 4 }],
    ['panel "Fleet and traffic, per month" A', "capacity", "24h", { "": 70 + 3 * 50 + usd }],
  ]);
});

test("bytes of a delivery are known by encoding and event", { skip }, async () => {
  const STEP = 15;
  const END = 1800;
  const labels = 'instance="g1",encoding="compact",event="trade"';
  const other = 'instance="g1",encoding="deflate",event="trade"';
  const series = {
    [`ws_bytes_sent_total{${labels}}`]: counterValues(STEP, [19_000, END]),
    [`ws_messages_sent_total{${labels}}`]: counterValues(STEP, [100, END]),
    [`ws_bytes_sent_total{${other}}`]: counterValues(STEP, [105_000, END]),
    [`ws_messages_sent_total{${other}}`]: counterValues(STEP, [300, END]),
  };
  const event = 'event="trade"';
  await check(STEP, series, [
    [
      'panel "Bytes of a delivery, by encoding and event" A',
      "capacity",
      "30m",
      { [`encoding="compact",${event}`]: 190, [`encoding="deflate",${event}`]: 350 },
    ],
    [
      'panel "Deliveries by encoding" A',
      "capacity",
      "30m",
      { 'encoding="compact"': 0.25, 'encoding="deflate"': 0.75 },
    ],
  ]);
});

test("every busy token has one line, although every gateway reports the token", { skip }, async () => {
  const STEP = 15;
  const END = 600;
  const busy = (instance: string, token: string) =>
    `ws_busiest_token_messages{job="gateway",instance="${instance}",token="${token}"}`;
  const tokens = Array.from({ length: 12 }, (_, n) => `T${n}`);
  const series = Object.fromEntries(
    tokens.flatMap((token, n) => [
      [busy("g1", token), gaugeValues(STEP, [100 - n, END])],
      // A gateway that has started a minute ago has counted fewer messages.
      [busy("g2", token), gaugeValues(STEP, [undefined, END - 60], [20 - n, 60])],
    ]),
  );
  const shown = tokens.slice(0, 10).map((token, n) => [`token="${token}"`, 100 - n]);
  await check(STEP, series, [
    ['panel "Ten busiest tokens" A', "operations", "9m45s", Object.fromEntries(shown)],
  ]);
});

test("a predicted fraction of a gateway costs as much as a whole gateway", { skip }, async () => {
  const series = { [RECORD.connectionsPeak]: week(20_000, 1000), [RECORD.gateways]: week(1, 0) };
  await check(HOUR, series, [
    // 55,000 connections need three gateways, if one gateway has 27,000
    ['panel "Fleet in four weeks, per month" A', "capacity", "168h", { "": 70 + 3 * 50 }],
  ]);
});

test("a shrinking fleet never becomes full, and costs at least one gateway", { skip }, async () => {
  const series = {
    [RECORD.connectionsPeak]: week(20_000, -2000),
    [RECORD.gateways]: week(3, 0),
  };
  await check(HOUR, series, [
    ['panel "Days until full" A', "capacity", "168h", { "": 3650 }],
    ['panel "Peak and prediction" C', "capacity", "168h", { "": 0 }],
    ['panel "Fleet in four weeks, per month" A', "capacity", "168h", { "": 70 + 50 }],
  ]);
});

test("a peak above the capacity of the largest fleet gives 0 days until full", { skip }, async () => {
  const series = { [RECORD.connectionsPeak]: week(60_000, 1000) };
  await check(HOUR, series, [['panel "Days until full" A', "capacity", "168h", { "": 0 }]]);
});

test("a rollout is marked when gateways appear while others drain; scaling is marked as scaling", {
  skip,
}, async () => {
  const MINUTE = 60;
  const up = (instance: string) => `up{job="gateway",instance="${instance}"}`;
  const draining = (instance: string) => `ws_draining{instance="${instance}"}`;
  const series = {
    // After 30 min g2 is added by scaling. After 60 min a rollout starts g3; g1 drains from 62 to 63 min and
    // stops.
    [up("g1")]: gaugeValues(MINUTE, [1, 63 * MINUTE], [undefined, 30 * MINUTE]),
    [up("g2")]: gaugeValues(MINUTE, [undefined, 30 * MINUTE], [1, 63 * MINUTE]),
    [up("g3")]: gaugeValues(MINUTE, [undefined, 60 * MINUTE], [1, 33 * MINUTE]),
    [draining("g1")]: gaugeValues(MINUTE, [0, 62 * MINUTE], [1, MINUTE], [undefined, 30 * MINUTE]),
    [draining("g2")]: gaugeValues(MINUTE, [undefined, 30 * MINUTE], [0, 63 * MINUTE]),
    [RECORD.gateways]: gaugeValues(
      MINUTE,
      [1, 30 * MINUTE],
      [2, 30 * MINUTE],
      [3, 3 * MINUTE],
      [2, 30 * MINUTE],
    ),
  };
  const at = (where: string, time: string, value?: number): Expected => [
    `annotation ${where}`,
    "operations",
    time,
    value === undefined ? {} : { "": value },
  ];
  await check(MINUTE, series, [
    at("Rollout", "31m"),
    at("Rollout", "61m"),
    at("Rollout", "62m", 1),
    at("Rollout", "75m"),
    at("Drain", "61m"),
    at("Drain", "62m", 1),
    at("Autoscaling", "29m"),
    at("Autoscaling", "30m", 1),
    at("Autoscaling", "36m"),
    at("Autoscaling", "67m", 1), // one gateway fewer
  ]);
});

test("error budgets, shares, and costs of a capacity test", { skip }, async () => {
  const STEP = 15;
  const END = 1800;
  const label = 'instance="g1"';
  const series = {
    // Ten minutes with 20 events a second of which half fail, then 20 minutes with 1000 good events a second.
    [eventRateName("connections", "errors")]: gaugeValues(STEP, [10, 600], [0, END - 600]),
    [eventRateName("connections", "events")]: gaugeValues(STEP, [20, 600], [1000, END - 600]),
    [eventRateName("latency", "errors")]: gaugeValues(STEP, [2, END]),
    [eventRateName("latency", "events")]: gaugeValues(STEP, [100, END]),
    [`${RECORD.rejections}{reason="token"}`]: gaugeValues(STEP, [1, END]),
    [`${RECORD.rejections}{reason="cpu"}`]: gaugeValues(STEP, [5, END]),
    [RECORD.connects]: gaugeValues(STEP, [4, END]),
    [`${RECORD.dropsByReason}{reason="shed"}`]: gaugeValues(STEP, [10, END]),
    [RECORD.deliveries]: gaugeValues(STEP, [90, END]),
    [`ws_memory_usage_bytes{${label}}`]: gaugeValues(STEP, [1e8, 600], [1.1e8, END - 600]),
    [`ws_connections_current{${label}}`]: gaugeValues(STEP, [1000, END]),
    [`ws_throttled_clients_heavy{${label}}`]: gaugeValues(STEP, [20, END]),
    [`process_cpu_seconds_total{job="gateway",${label}}`]: counterValues(STEP, [0.5, END]),
    [`ws_messages_sent_total{${label},event="trade"}`]: counterValues(STEP, [50_000, END]),
    [`ws_resumes_total{${label},result="lost"}`]: counterValues(STEP, [1, END]),
    [`ws_resumes_total{${label},result="recovered"}`]: counterValues(STEP, [3, END]),
    [`ws_replays_total{${label},result="complete"}`]: gaugeValues(STEP, [0, END]),
    [`ws_replays_total{${label},result="partial"}`]: gaugeValues(STEP, [0, END]),
    'ALERTS{alertstate="firing",severity="critical",alertname="A"}': gaugeValues(STEP, [1, END]),
    'ALERTS{alertstate="pending",severity="warning",alertname="B"}': gaugeValues(STEP, [1, END]),
  };
  await check(STEP, series, [
    [
      'panel "Error budget: connections" A',
      "operations",
      "29m",
      { "": 1 - (40 * 10) / (40 * 20 + 77 * 1000) / 0.001 },
    ],
    ['panel "Error budget: latency" A', "operations", "29m", { "": -1 }],
    ['panel "Refused: clients at fault, and drains" A', "operations", "29m", { 'reason="token"': 0.1 }],
    ['panel "Refused: gateways at fault" A', "operations", "29m", { "": 5 }],
    ['panel "Dropped deliveries by reason" A', "operations", "29m", { 'reason="shed"': 0.1 }],
    ['panel "Throttled clients" C', "operations", "29m", { "": 0.02 }],
    ['panel "Gaps that could not be filled" A', "operations", "29m", { "": 0 }],
    ['panel "Gaps that could not be filled" B', "operations", "29m", { "": 0.25 }],
    ['panel "Critical alerts" A', "operations", "29m", { "": 1 }],
    ['panel "Warnings" A', "operations", "29m", { "": 0 }],
    ['panel "Memory per connection" A', "capacity-test", "29m", { "": 10_000 }],
    ['panel "CPU per delivery" A', "capacity-test", "29m", { "": 0.00001 }],
    ['panel "Most deliveries" A', "capacity-test", "29m", { "": 50_000 }],
  ]);
});

test("without any event the whole error budget is left", { skip }, async () => {
  const none = { [eventRateName("latency", "errors")]: "0x20", [eventRateName("latency", "events")]: "0x20" };
  await check(15, none, [['panel "Error budget: latency" A', "operations", "5m", { "": 1 }]]);
});

test("unhealthy NATS servers are counted only while the NATS exporter answers", { skip }, async () => {
  const series = (exporter: number) => ({
    'up{job="nats",instance="monitoring"}': `${exporter}x20`,
    'gnatsd_healthz_status{job="nats",server_id="a"}': "0x20",
    'gnatsd_healthz_status{job="nats",server_id="b"}': "1x20",
  });
  await check(15, series(1), [['panel "Unhealthy servers" A', "nats", "5m", { "": 1 }]]);
  await check(15, series(0), [['panel "Unhealthy servers" A', "nats", "5m", {}]]);
});
