/** Kills the engine while it creates an account and a network, and continues as docs/runbook.md says. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { Network } from "../../infra/network/network.ts";
import { testSite } from "../../infra/offline/site.fixture.ts";
import { Identity } from "../../infra/project/identity.ts";
import { newStack, type Stack, withoutEngine } from "./engine.ts";
import { repository } from "./repository.ts";

const start = (owner: TestContext, program: () => unknown): Promise<Stack> =>
  newStack(owner, {
    stack: "dev",
    files: { "Pulumi.yaml": "name: odin-ws\nruntime: nodejs\n" },
    program: async () => {
      program();
    },
    checkpoints: true,
  });

/** Kills `up` after the cloud has created a resource, and before the engine learns of the resource. */
async function killAt(stack: Stack, type: string, name: string): Promise<void> {
  const held = stack.cloud.hold({ action: "create", type, name });
  await stack.kill(held.reached, "up");
  held.release();
}

describe("after the engine was killed", { skip: withoutEngine() }, () => {
  test("the next `up` uses the account that was created, once the lock is removed", async (t) => {
    const stack = await start(t, () => new Identity("gateway", { site: testSite, description: "Gateways" }));
    await killAt(stack, "gcp:serviceaccount/account:Account", "gateway");
    const locked = await stack.up();
    assert.notEqual(locked.exitCode, 0);
    assert.match(locked.output, /currently locked by 1 lock.*`pulumi cancel`/);
    await stack.pulumi("cancel", "--yes", "--stack", "dev");
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.equal(stack.cloud.resources.length, 1);
  });

  test("`npm run recover` makes Pulumi know a network that was created", async (t) => {
    const stack = await start(t, () => new Network("network", { site: testSite, cidr: "10.0.0.0/20" }));
    await killAt(stack, "gcp:compute/network:Network", "network");
    await stack.pulumi("cancel", "--yes", "--stack", "dev");
    const met = await stack.up();
    assert.match(met.messages.join("\n"), /Error 409: The resource '\S+-network' already exists/);
    const printed = await stack.shell(`node ${join(repository, "stacks/recover/cli.ts")} --stack dev`);
    assert.match(printed, /^gcp:compute\/network:Network network: exists, and Pulumi knows it now$/m);
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.deepEqual((await stack.preview("--refresh")).steps, []);
  });
});
