import assert from "node:assert/strict";
import { test } from "node:test";
import * as gcp from "@pulumi/gcp";
import { record } from "../../infra/offline/offline.ts";
import { droppedArguments } from "./check-schema.ts";
import { watchArguments } from "./watch-arguments.ts";

test("records an argument that the SDK drops", async () => {
  const watched = watchArguments(["@pulumi/gcp"]);
  const disk = () => new gcp.compute.Disk("data", { size: 3, zone: "z", ...{ sise: 4, labels: undefined } });
  const { one } = await record(disk);
  watched.stop();
  await record(disk);
  assert.equal("sise" in one("gcp:compute/disk:Disk").inputs, false);
  assert.deepEqual(watched.given, [
    { type: "gcp:compute/disk:Disk", name: "data", keys: ["size", "zone", "sise"] },
  ]);
  assert.deepEqual(droppedArguments(watched.given), ["gcp:compute/disk:Disk data: sise is not an argument"]);
});
