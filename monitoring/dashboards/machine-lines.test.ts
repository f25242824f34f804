import assert from "node:assert/strict";
import { test } from "node:test";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { dashboardFiles } from "./dashboard-files.ts";
import { bytesSentLine, coresOf, deliveriesLine } from "./machine-lines.ts";
import { lineValue } from "./panels.ts";

test("lines follow the machine, and are those of LIMITS on an e2-standard-2", () => {
  assert.deepEqual(deliveriesLine({}), { limit: "deliveries", bad: "above" });
  assert.deepEqual(bytesSentLine({ egressBits: 4e9 }), { limit: "bytesSent", bad: "above" });
  assert.equal(lineValue(deliveriesLine({ cpuLimit: 3.9 })), 205_000);
  const large = bytesSentLine({ egressBits: 16e9 });
  assert.ok(typeof large !== "string");
  assert.equal(lineValue(large), 1_600_000_000);
  assert.deepEqual(
    [coresOf({}), coresOf({ cpuLimit: 0.9 }), coresOf({ cpuLimit: 15.9 })],
    ["two cores", "one core", "16 cores"],
  );
});

test("dashboards of an e2-standard-2 are the same with and without its values; of an unknown network they have no line", () => {
  const files = dashboardFiles(SAMPLE);
  assert.deepEqual(dashboardFiles({ ...SAMPLE, cpuLimit: 1.9, egressBits: 4e9 }), files);
  const larger = Object.values(dashboardFiles({ ...SAMPLE, cpuLimit: 3.9, egressBits: 8e9 })).join();
  for (const value of [205_000, 800_000_000]) assert.match(larger, new RegExp(`"value": ?${value}\\b`));
  assert.match(larger, /a gateway with 4 cores is short of CPU/);
  const unknown = Object.values(dashboardFiles({ ...SAMPLE, egressBits: "unknown" })).join();
  assert.match(unknown, /No line: what a machine of this type may send is not known/);
  assert.doesNotMatch(Object.values(files).join(), /may send is not known/);
});
