/** Stacks on a machine without a Docker daemon. */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { withoutEngine } from "../../engine/engine.ts";
import { inWords, type RepositoryStack, repositoryStack, TEMPLATE } from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

describe("without a Docker daemon", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  before(async () => {
    staging = await repositoryStack(owner, "staging");
    const run = await staging.stack.up();
    assert.equal(run.exitCode, 0, run.output);
    staging.cloud.dockerDaemon = false;
    staging.cloud.takeOperations();
  });

  test("a preview with a refresh, of a stack that builds its image", async () => {
    const { exitCode, steps, output } = await staging.stack.preview("--expect-no-changes", "--refresh");
    assert.deepEqual([exitCode, steps], [0, []], output);
  });

  test("a preview of a new stack", async () => {
    const empty = await repositoryStack(owner, "staging");
    empty.cloud.dockerDaemon = false;
    const { exitCode, output } = await empty.stack.preview();
    assert.equal(exitCode, 0, output);
  });

  test("an up that raises a limit, as people on call do", async () => {
    const { stack, cloud } = staging;
    await stack.configure({ maxInstances: "7" });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(inWords(cloud.takeOperations()), ["update RegionAutoscaler gateway-autoscaler"]);
  });

  test("an up with an image by digest", async () => {
    const { stack, cloud } = staging;
    const metadata = cloud.one(TEMPLATE).inputs.metadata as Record<string, string>;
    await stack.configure({ serverImage: metadata["odin-image-gateway"] ?? "", maxInstances: "8" });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(inWords(cloud.takeOperations()).sort(), [
      "delete Command gateway-image-build",
      "update RegionAutoscaler gateway-autoscaler",
    ]);
  });

  test("an up that has to build fails with a reason", async () => {
    const { stack } = staging;
    await stack.configure({ serverImage: "build" });
    const run = await stack.up();
    assert.notEqual(run.exitCode, 0);
    assert.match(run.messages.join("\n"), /Cannot connect to the Docker daemon/);
  });
});
