/** Which image the gateways run, when the checkout is not the one that deployed. */

import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { type Run, withoutEngine } from "../../engine/engine.ts";
import {
  IMAGE,
  inWords,
  type RepositoryStack,
  repositoryStack,
  SMOKE,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

const BUILD = "gateway-image-build";

describe("image of the gateways", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  before(async () => {
    staging = await repositoryStack(owner, "staging");
  });
  beforeEach(() => {
    staging.cloud.takeOperations();
  });

  const running = () =>
    (staging.cloud.one(TEMPLATE).inputs.metadata as Record<string, string>)["odin-image-gateway"];
  let changed = "";
  const did = () => {
    const operations = staging.cloud.takeOperations();
    changed = operations.map((each) => `${inWords([each])}: ${each.changed}`).join("; ");
    return inWords(operations);
  };
  const succeeded = ({ exitCode, output }: Run) => assert.equal(exitCode, 0, output);
  /** Removes `serverImage` from the configuration: a clean checkout does not have this key. */
  const forget = () => staging.stack.pulumi("config", "rm", "serverImage");
  const keeps = (image: string) => new RegExp(`the gateways keep the image ${image}, because serverImage is`);

  test("the first update builds an image", async () => {
    const preview = await staging.stack.preview();
    succeeded(preview);
    assert.ok(preview.steps.some(({ name }) => name === BUILD));
    const run = await staging.stack.up();
    succeeded(run);
    assert.doesNotMatch(run.output, /keep the image/);
    assert.ok(did().includes(`create Command ${BUILD}`));
    assert.match(String(running()), /odin-staging-images\/gateway@sha256:/);
  });

  test("the checkout that built the image can update the stack again, with nothing to do", async () => {
    const { exitCode, steps, output } = await staging.stack.preview("--expect-no-changes");
    assert.deepEqual([exitCode, steps], [0, []], output);
    assert.match(output, keeps(String(running())));
  });

  test("CI deploys an image; a limit is raised in a clean checkout: one update, of the autoscaler", async () => {
    const { stack } = staging;
    await stack.configure({ serverImage: IMAGE("a") });
    const deployed = await stack.up();
    succeeded(deployed);
    assert.equal(running(), IMAGE("a"));
    did();

    await forget();
    await stack.configure({ maxInstances: "8" });
    const preview = await stack.preview();
    assert.deepEqual(
      preview.steps.map(({ op, name }) => [op, name]),
      [["update", "gateway-autoscaler"]],
      preview.output,
    );
    assert.match(preview.output, keeps(IMAGE("a")));
    const run = await stack.up();
    succeeded(run);
    assert.deepEqual(did(), ["update RegionAutoscaler gateway-autoscaler"]);
    assert.match(run.output, keeps(IMAGE("a")));
    assert.equal((await stack.pulumi("stack", "output", "image")).trim(), IMAGE("a"));
  });

  test("after a failed rollout, the image of the update before stays", async () => {
    const { stack, cloud } = staging;
    const check = cloud.runCommand;
    cloud.runCommand = async (command, options) => {
      if (command === SMOKE) throw new Error("FAILED message");
      return check(command, options);
    };
    await stack.configure({ serverImage: IMAGE("b") });
    const failed = await stack.up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /FAILED message/);
    assert.equal((await stack.pulumi("stack", "output", "image")).trim(), IMAGE("a"));
    cloud.runCommand = check;

    await forget();
    const run = await stack.up();
    succeeded(run);
    assert.match(run.output, keeps(IMAGE("a")));
    assert.equal(running(), IMAGE("a"));
  });

  test("the image of the checkout is built when its name is `build`", async () => {
    await staging.stack.configure({ serverImage: "build" });
    const run = await staging.stack.up();
    succeeded(run);
    assert.ok(did().includes(`create Command ${BUILD}`));
    assert.match(String(running()), /odin-staging-images\/gateway@sha256:/);
  });

  test("a limit is raised in a checkout of other sources than the image was built from: one update", async () => {
    const { stack } = staging;
    const image = running();
    const exported = await stack.pulumi("stack", "export", "--show-secrets");
    await stack.importState(exported.replaceAll(/(\/gateway):[0-9a-f]{12}"/g, '$1:0123456789ab"'));
    await forget();
    await stack.configure({ maxInstances: "9" });
    const run = await stack.up();
    succeeded(run);
    assert.match(run.output, keeps(String(image)));
    const limit = "update RegionAutoscaler gateway-autoscaler";
    assert.deepEqual([did(), changed], [[limit], `${limit}: autoscalingPolicy`]);
    assert.equal(running(), image);

    await stack.configure({ serverImage: "build" });
    const built = await stack.preview();
    assert.ok(built.steps.some(({ name }) => name === BUILD));
  });
});
