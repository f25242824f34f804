import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { steadyClock } from "../clock.ts";
import { createMetrics } from "../metrics.ts";
import { ConnectionRecords } from "./connection-records.ts";

const refusals = (t: TestContext, processes: number): number => {
  t.mock.method(steadyClock, "now", () => 0);
  let lines = 0;
  const records = new ConnectionRecords({
    config: { LOG_ADDRESSES: "off", LOG_CONNECTIONS_PER_SECOND: 10, WS_WORKER_POOL_SIZE: processes },
    metrics: createMetrics(new Registry()),
    log: { info: () => lines++ } as never,
  });
  for (let n = 0; n < 1000; n++) records.refused("token", { user: undefined, ip: "::1" });
  return lines;
};

test("LOG_CONNECTIONS_PER_SECOND is for the whole VM: each process writes an equal part", (t) => {
  assert.equal(refusals(t, 1), 100, "ten seconds of the rate at once");
  assert.equal(refusals(t, 4), 25);
});
