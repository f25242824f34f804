/** Rollouts, and failures during rollouts. */

import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { fakeCompute, groupReply } from "../../checks/fake-compute.ts";
import { runShell } from "../../engine/commands.ts";
import { withoutEngine } from "../../engine/engine.ts";
import { repository } from "../../engine/repository.ts";
import {
  assertInOrder,
  GROUP,
  IMAGE,
  inWords,
  type RepositoryStack,
  ROLLOUT,
  repositoryStack,
  SECRET,
  SMOKE,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { startGateway } from "../../harness/gateway.ts";
import { suiteOwner } from "../../harness/owner.ts";

const STEPS = [
  "create InstanceTemplate gateway-template",
  "update RegionInstanceGroupManager gateway-group",
  "update Command gateway-rollout",
  "create Command rollout-test",
  "delete Command rollout-test",
  "delete InstanceTemplate gateway-template",
];
const VERSION = "gcp:secretmanager/secretVersion:SecretVersion";

describe("rollout", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  before(async () => {
    staging = await repositoryStack(owner, "staging", { serverImage: IMAGE("a") });
    staging.cloud.rolloutMinutes = 55; // the provider gives up after 15
  });
  beforeEach(() => {
    staging.cloud.repair();
    staging.cloud.takeOperations();
    staging.takeCommands();
  });

  /** The image in the gateways' template. */
  const running = () =>
    (staging.cloud.one(TEMPLATE).inputs.metadata as Record<string, string>)["odin-image-gateway"];
  const rollOut = async (image: string) => {
    await staging.stack.configure({ serverImage: image });
    return staging.stack.up();
  };
  const assertAtRest = async () => {
    const { exitCode, steps } = await staging.stack.preview("--expect-no-changes");
    assert.deepEqual([exitCode, steps], [0, []]);
    for (const type of [GROUP, TEMPLATE]) assert.equal(staging.cloud.all(type).length, 1, type);
    assert.equal(staging.cloud.all(VERSION).filter(({ name }) => name === "jwt-secret-version").length, 1);
  };

  test("a group that does not come up fails the first up; the second completes it", async () => {
    const { stack, cloud, takeCommands } = staging;
    cloud.breakNext({
      action: "create",
      type: GROUP,
      message: "timeout while waiting for instances",
      partial: true,
    });
    const failed = await stack.up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /timeout while waiting for instances/);
    assert.ok(!takeCommands().some(({ command }) => command === SMOKE), "the smoke test has not run");
    cloud.repair();
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.equal(takeCommands().filter(({ command }) => command === SMOKE).length, 1);
    await assertAtRest();
  });

  test("another image: new template, group, smoke test, and only then the old template is deleted", async () => {
    const { cloud, takeCommands } = staging;
    await staging.stack.configure({ serverImage: IMAGE("b") });
    const preview = await staging.stack.preview();
    assert.deepEqual(
      [...new Set(preview.steps.map(({ name }) => name))].sort(),
      ["gateway-group", "gateway-rollout", "gateway-template", "rollout-test"],
      "a preview shows these four only",
    );
    const run = await staging.stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const done = inWords(cloud.takeOperations());
    assert.deepEqual([...done].sort(), [...STEPS].sort());
    assertInOrder(done, STEPS.slice(0, 4));
    assertInOrder(done, [STEPS[2] ?? "", STEPS[5] ?? ""]);
    const [waited, tested, ...more] = takeCommands();
    assert.deepEqual([waited?.command, tested?.command, more], [ROLLOUT, SMOKE, []]);
    assert.deepEqual(waited?.environment, {
      GROUP: cloud.one(GROUP).id,
      TEMPLATE: cloud.one(TEMPLATE).state.selfLinkUnique,
    });
    assert.equal(running(), IMAGE("b"));
    await assertAtRest();
  });

  test("a rollback takes the same steps with the earlier digest", async () => {
    const run = await rollOut(IMAGE("a"));
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(inWords(staging.cloud.takeOperations()).sort(), [...STEPS].sort());
    assert.equal(running(), IMAGE("a"));
  });

  test("the real rollout check: a group that does not finish fails the up before the smoke test, and the next up waits again", async (t) => {
    const { stack, cloud } = staging;
    let looks = 0;
    let endsAfter = Number.POSITIVE_INFINITY;
    const smoked: string[] = [];
    const compute = await fakeCompute(t, ({ path }) => {
      if (path.includes("/listErrors"))
        return {
          body: { items: [{ timestamp: new Date(), error: { code: "QUOTA_EXCEEDED", message: "CPUS" } }] },
        };
      if (/\/(listManagedInstances|applyUpdatesToInstances)$|instanceTemplates/.test(path))
        return { body: {} };
      looks++;
      const name = String(cloud.all(TEMPLATE).at(-1)?.state.name);
      const isStable = looks > endsAfter;
      return { body: groupReply(name, { isStable, isReached: isStable, currentActions: { creating: 2 } }) };
    });
    const onlyNoted = cloud.runCommand;
    t.after(() => {
      cloud.runCommand = onlyNoted;
    });
    const here = { ODIN_COMPUTE_URL: compute.url, ODIN_ROLLOUT_DEADLINE_SECONDS: "1" };
    cloud.runCommand = (command, options) => {
      if (command === ROLLOUT)
        return runShell(command, { dir: repository, environment: { ...options.environment, ...here } });
      smoked.push(command);
      return onlyNoted(command, options);
    };

    const failed = await rollOut(IMAGE("f"));
    assert.notEqual(failed.exitCode, 0);
    assert.match(
      failed.messages.join("\n"),
      /the rollout has not ended within 1 s: .*2 creating; last error: QUOTA/,
    );
    assert.deepEqual(smoked, [], "no smoke test before the rollout ended");
    assert.equal(cloud.all(TEMPLATE).length, 2, "the old template stays");

    looks = 0;
    endsAfter = 1;
    here.ODIN_ROLLOUT_DEADLINE_SECONDS = "8";
    cloud.takeOperations();
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.equal(looks, 2, "the up waited for the group");
    assert.deepEqual(smoked, [SMOKE]);
    assert.deepEqual(inWords(cloud.takeOperations()).sort(), [
      "create Command rollout-test",
      "delete Command rollout-test",
      "delete InstanceTemplate gateway-template",
      "update Command gateway-rollout",
    ]);
    assert.equal(running(), IMAGE("f"));
    await assertAtRest();
  });

  test("the real smoke test: a failure fails the up with a reason, and the next up succeeds when gateways are healthy", async (t) => {
    const { stack, cloud } = staging;
    let health = "UNHEALTHY";
    const compute = await fakeCompute(t, ({ path }) =>
      path.includes("/instanceGroupManagers/")
        ? { body: groupReply(String(cloud.all(TEMPLATE).at(-1)?.state.name)) }
        : { body: { healthStatus: [{ instance: "zones/z/instances/odin-1", healthState: health }] } },
    );
    const gateway = await startGateway(t, { env: { AUTH_MODE: "jwt", JWT_SECRET: SECRET } });
    const here = {
      ODIN_COMPUTE_URL: compute.url,
      ODIN_SMOKE_URL: gateway.url,
      ODIN_SMOKE_DEADLINE_SECONDS: "1",
    };
    const onlyNoted = cloud.runCommand;
    t.after(() => {
      cloud.runCommand = onlyNoted;
    });
    cloud.runCommand = (command, { environment }) =>
      runShell(command, { dir: repository, environment: { ...environment, ...here } });

    const failed = await rollOut(IMAGE("c"));
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /FAILED health: 1 of 1 instances: odin-1 is UNHEALTHY/);
    assert.doesNotMatch(failed.output, /FAILED (connect|subscribe|message)/);
    assert.equal(cloud.all(TEMPLATE).length, 2, "the old template stays until the smoke test has passed");
    const again = await stack.up();
    assert.notEqual(again.exitCode, 0);
    assert.match(again.messages.join("\n"), /odin-1 is UNHEALTHY/);
    assert.ok(!`${failed.output}${again.output}`.includes(SECRET));

    health = "HEALTHY";
    Object.assign(here, { ODIN_SMOKE_DEADLINE_SECONDS: "30" });
    cloud.takeOperations();
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const service = cloud.one("gcp:compute/regionBackendService:RegionBackendService");
    assert.equal(compute.asked.at(-1)?.path, `/compute/v1/${service.id}/getHealth`);
    assert.deepEqual(compute.asked.at(-1)?.body, { group: cloud.one(GROUP).state.instanceGroup });
    assert.deepEqual(inWords(cloud.takeOperations()).sort(), [
      "create Command rollout-test",
      "delete Command rollout-test",
      "delete InstanceTemplate gateway-template",
    ]);
    assert.equal(running(), IMAGE("c"));
    await assertAtRest();
  });

  test("a group that fails to run the new image is rolled back, or completed by the next up", async () => {
    const { stack, cloud, takeCommands } = staging;
    const broken = {
      action: "update",
      type: GROUP,
      message: "instances are not healthy",
      partial: true,
    } as const;
    cloud.breakNext(broken);
    const failed = await rollOut(IMAGE("d"));
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /instances are not healthy/);
    assert.deepEqual(takeCommands(), [], "no smoke test after a failed rollout");
    cloud.repair();
    const back = await rollOut(IMAGE("c"));
    assert.equal(back.exitCode, 0, back.output);
    assert.equal(running(), IMAGE("c"));
    await assertAtRest();

    cloud.breakNext(broken);
    assert.notEqual((await rollOut(IMAGE("d"))).exitCode, 0);
    cloud.repair();
    const on = await stack.up();
    assert.equal(on.exitCode, 0, on.output);
    assert.equal(running(), IMAGE("d"));
    await assertAtRest();
  });

  test("another secret: new version, rollout, and the old version is deleted when no gateway reads it", async () => {
    const { stack, cloud } = staging;
    const next = "another-key-of-the-clients-tokens-6789";
    await stack.configure({}, { jwtSecret: next });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const done = inWords(cloud.takeOperations());
    const version = "SecretVersion jwt-secret-version";
    assert.deepEqual([...done].sort(), [...STEPS, `create ${version}`, `delete ${version}`].sort());
    assertInOrder(done, [`create ${version}`, ...STEPS.slice(0, 2), `delete ${version}`]);
    const { inputs, id } = cloud.one(VERSION, "jwt-secret-version");
    assert.equal(inputs.secretData, next);
    assert.match(JSON.stringify(cloud.one(TEMPLATE).inputs), new RegExp(`"${id}"`));
    await assertAtRest();

    const state = await stack.state();
    for (const plain of [SECRET, next]) assert.ok(!state.includes(plain), "state");
  });

  test("other zones: the load balancer moves to the new group when its gateways run, and then the old group is deleted", async () => {
    const { stack, cloud } = staging;
    await stack.configure({ "zones[1]": "us-central1-b" });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const done = inWords(cloud.takeOperations());
    assertInOrder(done, [
      "create RegionInstanceGroupManager gateway-group",
      "update Command gateway-rollout",
      "update RegionBackendService load-balancer-service",
      "update Command rollout-test",
      "delete RegionInstanceGroupManager gateway-group",
    ]);
    assert.equal(cloud.one(GROUP).inputs.targetSize, 1, "the new group does not start empty");
    await assertAtRest();
  });

  test("NATS is replaced and ready before a gateway is replaced", async () => {
    const { stack, cloud } = staging;
    await stack.configure({ cosImage: "cos-133-19999-99-99" });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(
      run.steps.filter(({ op, type }) => type === GROUP && op !== "update"),
      [],
      "the group is not replaced together with NATS",
    );
    const done = inWords(cloud.takeOperations());
    const isNats = (step: string) =>
      / (Instance|Command) nats/.test(step) && !step.startsWith("delete Command");
    const nats = done.filter(isNats);
    assert.ok(
      nats.some((step) => /^create Instance/.test(step)) && nats.some((step) => / Command /.test(step)),
      `${nats}`,
    );
    const rolled = done.indexOf("update RegionInstanceGroupManager gateway-group");
    assert.ok(rolled > done.findLastIndex(isNats), done.join("\n"));
    await assertAtRest();
  });
});
