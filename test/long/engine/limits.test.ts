/**
 * Changes of limits and targets, which people on call make most often, must change the autoscaler and nothing
 * else.
 */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { record } from "../../../infra/offline/offline.ts";
import { readStack } from "../../../stacks/preview/stack-config.ts";
import { withoutEngine } from "../../engine/engine.ts";
import { repository } from "../../engine/repository.ts";
import {
  AUTOSCALER,
  GROUP,
  inWords,
  type RepositoryStack,
  repositoryStack,
  SECRET,
} from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

describe("limits of staging", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  before(async () => {
    staging = await repositoryStack(owner, "staging");
  });

  test("the first up creates what the offline preview shows, and runs all start-up checks and the smoke test", async () => {
    const { stack, cloud, takeCommands } = staging;
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(run.messages, []);

    const { project, config, secretKeys } = readStack(repository, "staging");
    const { default: program } = await import("../../../stacks/index.ts");
    const { resources } = await record(program, {
      project,
      stack: "staging",
      config: { ...config, "odin-ws:jwtSecret": SECRET },
      secretKeys: [...secretKeys, "odin-ws:jwtSecret"],
    });
    const names = (all: readonly { type: string; name: string }[]) =>
      all.map(({ type, name }) => `${type} ${name}`).sort();
    assert.deepEqual(names(cloud.resources), names(resources.filter(({ custom }) => custom)));
    assert.ok(cloud.resources.length > 80, `${cloud.resources.length}`);

    const commands = takeCommands().map(({ command, environment }) => [
      command,
      environment.INSTANCE ?? "all",
    ]);
    assert.deepEqual(commands.slice(0, -1).sort(), [
      ["npm run --silent await-rollout", "all"],
      ["npm run --silent await-startup", "odin-staging-monitoring"],
      ["npm run --silent await-startup", "odin-staging-nats"],
    ]);
    assert.deepEqual(commands.at(-1), ["npm run --silent smoke", "all"], "the smoke test comes last");
    // Without a size the group would start empty, and count as stable.
    assert.equal(cloud.one(GROUP).inputs.targetSize, 1);
    cloud.takeOperations();
  });

  test("an up without a change does nothing", async () => {
    const { stack, cloud } = staging;
    const { steps, same, exitCode } = await stack.preview("--expect-no-changes");
    assert.deepEqual([exitCode, steps, same], [0, [], cloud.resources.length]);
    const refreshed = await stack.preview("--refresh", "--expect-no-changes");
    assert.deepEqual([refreshed.exitCode, refreshed.steps], [0, []], refreshed.output);
    assert.deepEqual(cloud.takeOperations(), []);
  });

  const changes: [key: string, value: string, expected: unknown][] = [
    ["maxInstances", "8", { maxReplicas: 8 }],
    ["minInstances", "2", { minReplicas: 2 }],
    ["cpuTarget", "45", { cpuUtilization: { target: 0.45 } }],
    ["connectionsTarget", "6500", { metrics: [{ target: 6500 }] }],
    ["scaleInMinutes", "20", { stabilizationPeriod: 1200, scaleInControl: { timeWindowSec: 1200 } }],
  ];
  for (const [key, value, expected] of changes) {
    test(`${key} is one update of the autoscaler`, async () => {
      const { stack, cloud, takeCommands } = staging;
      await stack.configure({ [key]: value });
      const preview = await stack.preview();
      assert.deepEqual(preview.steps, [{ op: "update", type: AUTOSCALER, name: "gateway-autoscaler" }]);
      assert.deepEqual(cloud.takeOperations(), []);
      const run = await stack.up();
      assert.equal(run.exitCode, 0, run.output);
      assert.deepEqual(inWords(cloud.takeOperations()), ["update RegionAutoscaler gateway-autoscaler"]);
      assert.deepEqual(takeCommands(), []);
      assert.partialDeepStrictEqual(cloud.one(AUTOSCALER).inputs, { autoscalingPolicy: expected });
    });
  }

  test("destroy removes everything", async () => {
    const { stack, cloud } = staging;
    const run = await stack.run("destroy", "--yes");
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(cloud.resources, []);
  });
});
