/** The fake cloud under the real engine: the behaviour on which the tests of the stacks rely. */

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import * as command from "@pulumi/command";
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { newStack, type Stack, withoutEngine } from "../../engine/engine.ts";

const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";
const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";

const start = (owner: TestContext, program: () => object): Promise<Stack> =>
  newStack(owner, {
    stack: "dev",
    files: { "Pulumi.yaml": "name: odin-ws\nruntime: nodejs\n" },
    program: async () => program(),
  });

/** A template and the group that uses it. */
function fleet({ image, name }: { image: string; name?: string }) {
  const template = new gcp.compute.InstanceTemplate("template", {
    ...(name !== undefined && { name }),
    machineType: "e2-small",
    disks: [{ sourceImage: image }],
  });
  new gcp.compute.RegionInstanceGroupManager("group", {
    name: "group",
    region: "r",
    baseInstanceName: "g",
    distributionPolicyZones: ["a"],
    versions: [{ instanceTemplate: template.selfLinkUnique }],
  });
  return { template: template.id };
}

const did = (stack: Stack) =>
  stack.cloud.takeOperations().map(({ action, name, error }) => [action, name, error === undefined]);

describe("fake cloud", { skip: withoutEngine() }, () => {
  test("a preview changes nothing, a second up changes nothing, and destroy removes everything", async (t) => {
    const stack = await start(t, () => fleet({ image: "1" }));
    const { steps, messages } = await stack.preview();
    assert.deepEqual(messages, []);
    assert.deepEqual(steps, [
      { op: "create", type: TEMPLATE, name: "template" },
      { op: "create", type: GROUP, name: "group" },
    ]);
    assert.deepEqual([stack.cloud.resources, stack.cloud.operations], [[], []]);
    assert.equal((await stack.up()).exitCode, 0);
    assert.match(stack.cloud.one(TEMPLATE).id, /\/instanceTemplates\/template-[0-9a-f]{7}$/);
    const again = await stack.up();
    assert.deepEqual([again.exitCode, again.steps, again.same], [0, [], 2]);
    await stack.destroy();
    assert.deepEqual(stack.cloud.resources, []);
  });

  test("an auto-named template is replaced around its user", async (t) => {
    const stack = await start(t, () => fleet({ image: "1" }));
    await stack.up();
    stack.cloud.takeOperations();
    stack.program = async () => fleet({ image: "2" });
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(did(stack), [
      ["create", "template", true],
      ["update", "group", true],
      ["delete", "template", true],
    ]);
  });

  test("a template with a fixed name cannot be replaced, because it would be deleted first and is in use", async (t) => {
    const stack = await start(t, () => fleet({ image: "1", name: "fixed" }));
    await stack.up();
    stack.cloud.takeOperations();
    stack.program = async () => fleet({ image: "2", name: "fixed" });
    const run = await stack.up();
    assert.notEqual(run.exitCode, 0);
    assert.match(run.messages.join("\n"), /fixed' is already being used by '.*group', resourceInUse/);
    assert.deepEqual(did(stack), [["delete", "template", false]]);
  });

  test("two resources cannot have the same name", async (t) => {
    const network = (logical: string) => new gcp.compute.Network(logical, { name: "net", project: "p" });
    const stack = await start(t, () => [network("one"), network("two")]);
    const run = await stack.up();
    assert.match(
      run.messages.join("\n"),
      /Error 409: The resource 'projects\/p\/global\/networks\/net' already exists/,
    );
    assert.equal(stack.cloud.resources.length, 1);
  });

  test("a resource that failed half-way exists, and the next up completes it", async (t) => {
    const stack = await start(t, () => fleet({ image: "1" }));
    stack.cloud.breakNext({
      action: "create",
      type: GROUP,
      message: "instances are not healthy",
      partial: true,
    });
    const failed = await stack.up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /instances are not healthy/);
    assert.equal(stack.cloud.all(GROUP).length, 1);
    stack.cloud.repair();
    const run = await stack.up();
    assert.deepEqual([run.exitCode, run.steps.map(({ op }) => op)], [0, ["update"]]);
    assert.deepEqual((await stack.preview()).steps, []);
  });

  test("commands are really run; a failed command reports its error and runs again", async (t) => {
    let trigger = 1;
    let script = `printf '%s' "$NAME-${"$"}((1 + 1))"`;
    const stack = await start(t, () => {
      const run = new command.local.Command("gate", {
        create: script,
        environment: { NAME: "it" },
        triggers: [trigger],
      });
      return { out: run.stdout };
    });
    await stack.up();
    assert.equal(stack.cloud.one("command:local:Command").state.stdout, "it-2");
    trigger = 2;
    script = "echo 'nothing listens on 3004' >&2; exit 3";
    const failed = await stack.up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /exit status 3.*\n.*nothing listens on 3004/);
    assert.deepEqual(
      (await stack.preview()).steps.map(({ op }) => op),
      ["create-replacement", "replace", "delete-replaced"],
    );
    script = "exit 0";
    assert.equal((await stack.up()).exitCode, 0);
    assert.equal(stack.cloud.all("command:local:Command").length, 1);
  });

  test("the cloud gets plain secrets and the state encrypted ones, and a generated password stays", async (t) => {
    let label = "a";
    const stack = await start(t, () => {
      const password = new random.RandomPassword("password", { length: 20, special: false });
      const secret = new gcp.secretmanager.Secret("s", {
        project: "p",
        secretId: "s",
        replication: { auto: {} },
        labels: { label },
      });
      const secretData = pulumi.interpolate`user:${password.result}`;
      const version = new gcp.secretmanager.SecretVersion("v", { secret: secret.id, secretData });
      return { version: version.id };
    });
    await stack.up();
    const { result } = stack.cloud.one("random:index/randomPassword:RandomPassword").state;
    const version = stack.cloud.one("gcp:secretmanager/secretVersion:SecretVersion");
    assert.match(String(result), /^[a-zA-Z0-9]{20}$/);
    assert.equal(version.inputs.secretData, `user:${result}`);
    const state = await stack.state();
    assert.match(state, /secretData/);
    assert.doesNotMatch(state, new RegExp(String(result)));
    label = "b";
    const run = await stack.up();
    assert.deepEqual(
      run.steps.map(({ op, name }) => [op, name]),
      [["update", "s"]],
    );
  });

  test("a refresh finds a resource that was deleted by hand", async (t) => {
    const stack = await start(t, () => fleet({ image: "1" }));
    await stack.up();
    const { id, urn } = stack.cloud.one(GROUP);
    await stack.cloud.delete(urn, id, 0);
    const run = await stack.up("--refresh");
    assert.equal(run.exitCode, 0, run.output);
    assert.equal(stack.cloud.all(GROUP).length, 1);
  });
});
