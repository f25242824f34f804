import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { CONNECTIONS_METRIC, connectionsMetric } from "./metric-descriptor.ts";

test("the metric is a gauge with a whole number per VM, as the autoscaler needs", async () => {
  const { one } = await record(() => connectionsMetric("connections", testSite, {}));
  const { description, ...inputs } = one("gcp:monitoring/metricDescriptor:MetricDescriptor").inputs;
  assert.equal(typeof description, "string");
  assert.deepEqual(inputs, {
    project: "test-project",
    type: "custom.googleapis.com/odin_ws/connections",
    displayName: "Gateway connections",
    metricKind: "GAUGE",
    valueType: "INT64",
    unit: "1",
  });
  assert.equal(CONNECTIONS_METRIC, inputs.type);
});
