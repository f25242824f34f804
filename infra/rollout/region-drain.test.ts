import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { RegionDrain } from "./region-drain.ts";

const build = (drain: boolean) =>
  record(
    () =>
      new RegionDrain("drain-europe-west1", {
        command: "empty",
        group: "group",
        autoscaler: "scaler",
        drain,
      }),
  );

test("the command runs when the region is to be emptied, and always before it is removed", async () => {
  for (const drain of [true, false]) {
    const { inputs } = (await build(drain)).one("command:local:Command", "drain-europe-west1-group");
    assert.deepEqual(inputs, {
      create: "empty",
      update: "empty",
      delete: "DRAIN=true empty",
      environment: { GROUP: "group", AUTOSCALER: "scaler", DRAIN: String(drain) },
      addPreviousOutputInEnv: false,
    });
  }
});
