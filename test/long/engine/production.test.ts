/** Creates and destroys prod with every optional part, and the capacity test. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withoutEngine } from "../../engine/engine.ts";
import { inWords, type RepositoryStack, repositoryStack, SECRET } from "../../engine/repository-stack.ts";
import { PROD_WITH_EVERYTHING } from "../../engine/stack-settings.ts";
import { suiteOwner } from "../../harness/owner.ts";

const { plain, secret } = PROD_WITH_EVERYTHING;

describe("prod", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let left: RepositoryStack | undefined;

  /**
   * Calls `work` with a stack that is up: the stack that the last test left, or a new one if this test failed
   * or deleted the stack. So no failure causes another one.
   */
  async function withProd(work: (prod: RepositoryStack) => Promise<void>): Promise<void> {
    const prod = left ?? (await repositoryStack(owner, "prod", plain));
    if (left === undefined) {
      await prod.stack.configure({}, secret);
      const run = await prod.stack.up();
      assert.equal(run.exitCode, 0, run.output);
      assert.deepEqual(run.messages, []);
      const failed = prod.cloud.takeOperations().filter(({ error }) => error !== undefined);
      assert.deepEqual(failed, []);
    }
    left = undefined;
    await work(prod);
    if (prod.cloud.resources.length > 0) left = prod;
    prod.cloud.takeOperations();
  }

  test("one up creates everything, and a second one changes nothing", () =>
    withProd(async ({ stack, cloud }) => {
      // The SDK would pass a zone of the environment to the budget's provider.
      process.env.CLOUDSDK_COMPUTE_ZONE = "europe-west4-a";
      try {
        const again = await stack.up();
        assert.deepEqual([again.exitCode, again.steps, again.same], [0, [], cloud.resources.length]);
        assert.doesNotMatch(again.output, /updated/, "no provider changes");
      } finally {
        delete process.env.CLOUDSDK_COMPUTE_ZONE;
      }
    }));

  test("secrets are encrypted everywhere except where they are used", () =>
    withProd(async ({ stack, cloud }) => {
      const made = (type: string, field: string) =>
        cloud.all(type).map(({ state }) => String(state[field]).trim());
      const secrets = [
        SECRET,
        ...Object.values(secret),
        ...made("random:index/randomPassword:RandomPassword", "result"),
        ...made("tls:index/privateKey:PrivateKey", "privateKeyPem").map((pem) => pem.split("\n")[1] ?? ""),
      ];
      assert.ok(
        secrets.length > 6 && secrets.every((secret) => secret.length >= 16),
        "the test looks for secrets",
      );
      const state = await stack.state();
      const outputs = await stack.pulumi("stack", "output", "--json");
      for (const secret of secrets) {
        assert.ok(
          !state.includes(secret) && !outputs.includes(secret),
          `in the state or the outputs: ${secret}`,
        );
        const holders = cloud.resources.filter(({ inputs }) => JSON.stringify(inputs).includes(secret));
        // A certificate is signed with a key that never leaves the state; the smoke test gets its secret in
        // its environment.
        const allowed =
          /:(SecretVersion|Command|CertRequest|SelfSignedCert|LocallySignedCert|NotificationChannel)$/;
        assert.deepEqual(
          holders.map(({ type }) => type).filter((type) => !allowed.test(type)),
          [],
          secret,
        );
      }
    }));

  test("destroy is refused before anything is deleted", () =>
    withProd(async ({ stack, cloud }) => {
      const run = await stack.run("destroy", "--yes");
      assert.notEqual(run.exitCode, 0);
      assert.match(run.messages.join("\n"), /gateway-group" cannot be deleted\s+because it is protected/);
      assert.match(run.messages.join("\n"), /load-balancer-address" cannot be deleted/);
      assert.deepEqual(cloud.operations, []);
    }));

  test("destroy without a preview stops at what is protected, and the next up restores the rest", () =>
    withProd(async ({ stack, cloud }) => {
      const isProtected = /Disk nats|GlobalAddress|Address load-balancer|Manager gateway-group|:Secret /;
      const kept = () =>
        cloud.resources.filter(({ type, name }) => isProtected.test(`${type} ${name}`)).map(({ id }) => id);
      // The image of the last update stays, so the next up does not build it again.
      const names = () =>
        cloud.resources
          .map(({ type, name }) => `${type} ${name}`)
          .filter((name) => !/ gateway-image-build$/.test(name))
          .sort();
      const [before, all] = [kept(), names()];
      assert.ok(before.length > 8, `${before.length}`);
      const run = await stack.destroy();
      assert.notEqual(run.exitCode, 0);
      assert.match(run.messages.join("\n"), /gateway-group" cannot be deleted\s+because it is protected/);
      assert.deepEqual(kept(), before);
      // The runbook warns of this: the entrances are deleted before Pulumi comes to the group.
      assert.deepEqual(cloud.all("gcp:compute/forwardingRule:ForwardingRule"), []);
      const again = await stack.up();
      assert.equal(again.exitCode, 0, again.output);
      assert.deepEqual(names(), all);
    }));

  test("other zones are refused, because they would replace the group", () =>
    withProd(async ({ stack, cloud }) => {
      await stack.configure({ "zones[2]": "us-central1-f" });
      const run = await stack.run("up", "--yes");
      assert.notEqual(run.exitCode, 0);
      assert.match(run.messages.join("\n"), /gateway-group"\s*as it is currently marked for protection/);
      assert.deepEqual(inWords(cloud.operations), []);
      await stack.configure({ "zones[2]": "us-central1-c" });
    }));

  test("without protection, destroy removes everything", () =>
    withProd(async ({ stack, cloud }) => {
      await stack.pulumi("state", "unprotect", "--all", "--yes");
      const run = await stack.destroy();
      assert.equal(run.exitCode, 0, run.output);
      assert.deepEqual(cloud.resources, []);
    }));
});

describe("capacity test", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();

  test("up creates everything, and destroy removes everything", async () => {
    const { stack, cloud, takeCommands } = await repositoryStack(owner, "capacity");
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual(run.messages, []);
    assert.deepEqual(
      takeCommands()
        .map(({ environment }) => environment.INSTANCE)
        .sort(),
      ["odin-capacity-backend", "odin-capacity-gateway", "odin-capacity-runner"],
    );
    assert.deepEqual((await stack.preview()).steps, []);
    const destroyed = await stack.run("destroy", "--yes");
    assert.equal(destroyed.exitCode, 0, destroyed.output);
    assert.deepEqual(cloud.resources, []);
  });
});
