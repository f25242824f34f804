import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduling } from "./scheduling.ts";

test("a standard VM moves during maintenance, and a spot VM is stopped", () => {
  assert.deepEqual(scheduling(false), {
    provisioningModel: "STANDARD",
    automaticRestart: true,
    onHostMaintenance: "MIGRATE",
  });
  assert.deepEqual(scheduling(true), {
    provisioningModel: "SPOT",
    preemptible: true,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "STOP",
  });
});
