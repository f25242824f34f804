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

test("every metric of the gateway that is named here is in its /metrics", () => {
  const defaults = [
    OTHER_METRIC.eventLoopLag,
    OTHER_METRIC.eventLoopLagMax,
    OTHER_METRIC.cpuSeconds,
    OTHER_METRIC.heapUsed,
  ];
  for (const name of [...Object.values(METRIC), ...defaults])
    assert.match(exported, new RegExp(`^# TYPE ${name} `, "m"), name);
});

test("every reason for which the gateway refuses a connection is one of ours, planned, or the client's", () => {
  const reasons = [
    ...exported.matchAll(new RegExp(`^${METRIC.connectionsRejected}{reason="(\\w+)"}`, "gm")),
  ].map(([, reason]) => reason);
  assert.ok(reasons.length > 5);
  assert.deepEqual(Object.values(REFUSALS).flat().sort(), reasons.sort());
});

test("a message in time is one of the histogram's buckets", () => {
  assert.ok(exported.includes(`${METRIC.messageLatency}_bucket{le="${IN_TIME_SECONDS}"}`));
});

test("rules name no metric that is not listed", () => {
  const named = [...recordingRules(SAMPLE), ...alertRules(SAMPLE)].flatMap(({ rules }) =>
    rules.flatMap(({ expr }) => metricsIn(expr)),
  );
  assert.ok(named.length > 150);
  assert.deepEqual(
    named.filter((name) => !KNOWN_METRICS.has(name)),
    [],
  );
});
