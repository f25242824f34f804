import assert from "node:assert/strict";
import { test } from "node:test";
import { alertRules } from "../alerts/alert-rules.ts";
import { assertRuleTest } from "../testing/promtool.fixture.ts";
import { skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { counterValues, gaugeValues } from "../testing/series.fixture.ts";
import { QUANTILES, RECORD, recordingRules } from "./recording-rules.ts";
import { BURN_RATES, errorCountName, errorRatioName, eventRateName, SLO_WINDOWS, SLOS } from "./slos.ts";

const groups = recordingRules(SAMPLE);
const rules = groups.flatMap((group) => group.rules);
const STEP = 15;
const END = 900;

/**
 * Two gateways for 15 minutes. The second gateway has no NATS and drops a tenth of its deliveries. A third
 * gateway is down.
 */
const SERIES: Record<string, string> = {
  'up{job="gateway",instance="g1",region="us-central1"}': gaugeValues(STEP, [1, END]),
  'up{job="gateway",instance="g2",region="europe-west1"}': gaugeValues(STEP, [1, END]),
  'up{job="gateway",instance="g3",region="europe-west1"}': gaugeValues(STEP, [0, END]),
  'up{job="loki",instance="monitoring"}': gaugeValues(STEP, [1, END]),
  'ws_nats_connected{instance="g1"}': gaugeValues(STEP, [1, END]),
  'ws_nats_connected{instance="g2"}': gaugeValues(STEP, [0, END]),
  'ws_connections_current{instance="g1",region="us-central1"}': gaugeValues(
    STEP,
    [9000, 300],
    [4000, END - 300],
  ),
  'ws_connections_current{instance="g2",region="europe-west1"}': gaugeValues(STEP, [1000, END]),
  'ws_memory_usage_bytes{instance="g1"}': gaugeValues(STEP, [5e8, END]),
  'ws_connections_total{instance="g1"}': counterValues(STEP, [3, END]),
  'ws_connections_total{instance="g2"}': counterValues(STEP, [1, END]),
  'ws_connections_rejected_total{instance="g1",reason="cpu"}': counterValues(STEP, [0.5, END]),
  'ws_connections_rejected_total{instance="g2",reason="draining"}': counterValues(STEP, [0.5, END]),
  'ws_connections_rejected_total{instance="g2",reason="token"}': counterValues(STEP, [7, END]),
  'ws_stream_messages_total{instance="g1",event="trade"}': counterValues(STEP, [12, END]),
  'ws_stream_messages_total{instance="g2",event="trade"}': counterValues(STEP, [11, END]),
  'ws_messages_sent_total{instance="g1",event="trade"}': counterValues(STEP, [100, END]),
  'ws_messages_sent_total{instance="g1",event="social"}': counterValues(STEP, [20, END]),
  'ws_messages_sent_total{instance="g2",event="trade"}': counterValues(STEP, [90, END]),
  'ws_messages_dropped_total{instance="g2",reason="shed",priority="low"}': counterValues(STEP, [6, END]),
  'ws_messages_dropped_total{instance="g2",reason="shed",priority="medium"}': counterValues(STEP, [4, END]),
  'ws_bytes_sent_total{instance="g1",encoding="plain"}': counterValues(STEP, [1000, END]),
  'ws_bytes_sent_total{instance="g1",encoding="deflate"}': counterValues(STEP, [500, END]),
  'ws_writes_total{instance="g1"}': counterValues(STEP, [60, END]),
  'ws_writes_total{instance="g2"}': counterValues(STEP, [90, END]),
  // On g1 all messages are in time. On g2 half of the messages take 50 to 100 ms.
  'ws_message_latency_seconds_bucket{instance="g1",le="0.05"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_bucket{instance="g1",le="0.1"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_bucket{instance="g1",le="+Inf"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_count{instance="g1"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_bucket{instance="g2",le="0.05"}': counterValues(STEP, [50, END]),
  'ws_message_latency_seconds_bucket{instance="g2",le="0.1"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_bucket{instance="g2",le="+Inf"}': counterValues(STEP, [100, END]),
  'ws_message_latency_seconds_count{instance="g2"}': counterValues(STEP, [100, END]),
};

/** Recorded values at the end, by name of the record and by labels. */
const EXPECTED: Record<string, Record<string, number>> = {
  [RECORD.gateways]: { "": 3 },
  [RECORD.gatewaysUp]: { "": 2 },
  [RECORD.gatewaysWithoutNats]: { "": 1 },
  [RECORD.connections]: { "": 5000 },
  [RECORD.connectionsLimit]: { "": 20_000 },
  [RECORD.connectionsUsed]: { "": 0.25 },
  [RECORD.connectionsPeak]: { "": 10_000 },
  [RECORD.instanceMemory]: { 'instance="g1"': 0.5 },
  [RECORD.instanceConnects]: { 'instance="g1"': 3, 'instance="g2"': 1 },
  [RECORD.connects]: { "": 4 },
  [RECORD.rejections]: { 'reason="cpu"': 0.5, 'reason="draining"': 0.5, 'reason="token"': 7 },
  [RECORD.streamMessages]: { 'event="trade"': 12 },
  [RECORD.instanceWrites]: { 'instance="g1"': 60, 'instance="g2"': 90 },
  [RECORD.writes]: { "": 150 },
  [RECORD.instanceDeliveries]: { 'instance="g1"': 120, 'instance="g2"': 90 },
  [RECORD.deliveries]: { "": 210 },
  [RECORD.deliveriesByEvent]: { 'event="trade"': 190, 'event="social"': 20 },
  [RECORD.instanceDrops]: { 'instance="g1"': 0, 'instance="g2"': 10 },
  [RECORD.dropsByReason]: { 'reason="shed"': 10, 'reason="throttled"': 0 },
  [RECORD.instanceDropRatio]: { 'instance="g1"': 0, 'instance="g2"': 0.1 },
  [RECORD.dropRatio]: { "": 10 / 220 },
  [RECORD.instanceBytes]: { 'instance="g1"': 1500 },
  [RECORD.bytes]: { "": 1500 },
  [RECORD.latencyBuckets]: {
    'instance="g1",le="0.05"': 100,
    'instance="g1",le="0.1"': 100,
    'instance="g1",le="+Inf"': 100,
    'instance="g2",le="0.05"': 50,
    'instance="g2",le="0.1"': 100,
    'instance="g2",le="+Inf"': 100,
  },
  [RECORD.instanceLatency]: {
    'instance="g1",quantile="0.5"': 0.025,
    'instance="g1",quantile="0.95"': 0.0475,
    'instance="g1",quantile="0.99"': 0.0495,
    'instance="g2",quantile="0.5"': 0.05,
    'instance="g2",quantile="0.95"': 0.095,
    'instance="g2",quantile="0.99"': 0.099,
  },
  [RECORD.latency]: {
    'quantile="0.5"': (100 / 150) * 0.05,
    'quantile="0.95"': 0.09,
    'quantile="0.99"': 0.098,
  },
  [RECORD.regionGatewaysUp]: { 'region="us-central1"': 1, 'region="europe-west1"': 1 },
  [RECORD.regionConnections]: { 'region="us-central1"': 4000, 'region="europe-west1"': 1000 },
  [RECORD.regionConnectionsUsed]: { 'region="us-central1"': 0.4, 'region="europe-west1"': 0.1 },
  [RECORD.regionLatency]: { "": 0.098 },
  // Refusals for a wrong token do not count. Of the 5 attempts a second that count, 1 is refused.
  ...Object.fromEntries(SLO_WINDOWS.map((window) => [errorRatioName("connections", window), { "": 0.2 }])),
  ...Object.fromEntries(SLO_WINDOWS.map((window) => [errorRatioName("latency", window), { "": 0.25 }])),
  // Refusals of a drain are errors, but not faults.
  ...Object.fromEntries(
    ["5m", "30m", "1h", "6h"].map((window) => [errorRatioName("connections", window, "faults"), { "": 0.1 }]),
  ),
  // Counts over the 885 s for which there are samples
  ...Object.fromEntries(
    ["1h", "6h"].map((window) => [errorCountName("connections", window, "faults"), { "": 442.5 }]),
  ),
  ...Object.fromEntries(
    ["1d", "3d"].map((window) => [errorCountName("connections", window, "errors"), { "": 885 }]),
  ),
  ...Object.fromEntries(
    ["1h", "6h", "1d", "3d"].map((window) => [errorCountName("latency", window, "errors"), { "": 44_250 }]),
  ),
  [eventRateName("connections", "errors")]: { "": 1 },
  [eventRateName("connections", "events")]: { "": 5 },
  [eventRateName("latency", "errors")]: { "": 50 },
  [eventRateName("latency", "events")]: { "": 200 },
};

/** Checks what queries on recorded series return at the end of {@link END} seconds. */
async function check(series: Record<string, string>, expected: [expr: string, samples: object[]][]) {
  await assertRuleTest({
    step: STEP,
    series,
    rules: { "recording.yml": groups },
    expected: {
      promql_expr_test: expected.map(([expr, exp_samples]) => ({
        expr,
        eval_time: `${END - STEP}s`,
        exp_samples,
      })),
    },
    fuzzyCompare: true,
  });
}

test("every record has the expected values", { skip: skipWithout("promtool") }, async () => {
  await check(
    SERIES,
    Object.entries(EXPECTED).map(([name, samples]) => [
      `round(${name}, 0.000001)`, // rates over long windows are sums of many floating point numbers
      Object.entries(samples).map(([labels, value]) => ({
        labels: `{${labels}}`,
        value: Number(value.toFixed(6)),
      })),
    ]),
  );
});

test("error ratios are 0 without events, and counts are 0 without gateways", {
  skip: skipWithout("promtool"),
}, async () => {
  const idle = Object.fromEntries(Object.keys(SERIES).map((name) => [name, gaugeValues(STEP, [0, END])]));
  const zero = (name: string, labels = "") => [name, [{ labels: `${name}{${labels}}`, value: 0 }]] as const;
  const ratios = [
    ...(["connections", "latency"] as const).flatMap((slo) =>
      SLO_WINDOWS.map((window) => errorRatioName(slo, window)),
    ),
    RECORD.dropRatio,
    RECORD.gatewaysUp,
  ].map((name) => zero(name));
  await check(idle, [
    ...ratios.map(([name, samples]): [string, object[]] => [name, [...samples]]),
    [RECORD.connectionsUsed, []], // no result, because there is no capacity to divide by
  ]);
  await check(
    {},
    [RECORD.gateways, RECORD.dropRatio].map((name) => [name, [...zero(name)[1]]]),
  );
});

test("the test above covers every record", () => {
  const recorded = new Set(rules.map(({ record }) => record));
  assert.deepEqual([...recorded].sort(), Object.keys(EXPECTED).sort());
  assert.equal(rules.filter(({ record }) => record === RECORD.latency).length, QUANTILES.length);
});

test("names of records have the form level:metric:operations", () => {
  for (const { record } of rules) assert.match(record, /^[a-z_]+:[a-z_]+:[a-z0-9_]+$/, record);
});

test("alerts on error budgets use records that exist", () => {
  const windows: readonly string[] = SLO_WINDOWS;
  for (const { long, short, minEvents } of BURN_RATES) {
    assert.ok(windows.includes(long) && windows.includes(short), long);
    assert.ok(minEvents > 0);
  }
  const recorded = new Set(rules.map(({ record }) => record));
  const used = alertRules(SAMPLE).flatMap(({ rules: alerts }) =>
    alerts.flatMap(({ expr }) => expr.match(/\bslo:\w+:\w+/g) ?? []),
  );
  assert.equal(used.length, 2 * BURN_RATES.length * 3);
  for (const name of used) assert.ok(recorded.has(name), name);
});

test("rules over long windows are evaluated less often", () => {
  for (const { name, interval, rules: own } of groups) {
    const long = own.filter(({ expr }) => /\[(6h|\d+d)\]/.test(expr));
    assert.ok(long.length === 0 || interval === "3m", name);
    assert.ok(interval === undefined || long.length === own.length, name);
  }
  for (const { objective } of Object.values(SLOS)) assert.ok(objective > 0.5 && objective < 1);
});
