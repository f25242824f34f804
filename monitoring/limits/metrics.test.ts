import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "@odin-ws/server/metrics";
import { Registry } from "prom-client";
import { alertRules } from "../alerts/alert-rules.ts";
import { KNOWN_METRICS, metricsIn } from "../testing/metric-names.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { METRIC, OTHER_METRIC, REFUSALS } from "./metrics.ts";
import { recordingRules } from "./recording-rules.ts";
import { IN_TIME_SECONDS } from "./slos.ts";

const registry = new Registry();
createMetrics(registry);
const exported = await registry.metrics();

test("the gateway exports every metric that rules and dashboards use", () => {
  const defaults = [
    OTHER_METRIC.eventLoopLag,
    OTHER_METRIC.eventLoopLagMax,
    OTHER_METRIC.cpuSeconds,
    OTHER_METRIC.heapUsed,
  ];
  for (const name of [...Object.values(METRIC), ...defaults])
    assert.match(exported, new RegExp(`^# TYPE ${name} `, "m"), name);
});

test("every reason for which the gateway refuses a connection is in one group of REFUSALS", () => {
  const reasons = [
    ...exported.matchAll(new RegExp(`^${METRIC.connectionsRejected}{reason="(\\w+)"}`, "gm")),
  ].map(([, reason]) => reason);
  assert.ok(reasons.length > 5);
  assert.deepEqual(Object.values(REFUSALS).flat().sort(), reasons.sort());
});

test("the latency histogram has a bucket that ends at the limit of the objective", () => {
  assert.ok(exported.includes(`${METRIC.messageLatency}_bucket{le="${IN_TIME_SECONDS}"}`));
});

test("rules use only metrics that are listed here", () => {
  const used = [...recordingRules(SAMPLE), ...alertRules(SAMPLE)].flatMap(({ rules }) =>
    rules.flatMap(({ expr }) => metricsIn(expr)),
  );
  assert.ok(used.length > 150);
  assert.deepEqual(
    used.filter((name) => !KNOWN_METRICS.has(name)),
    [],
  );
});
