/** Kills the engine at several moments, and continues as docs/runbook.md says. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { kindOf } from "../../../stacks/recover/cloud-ids.ts";
import { type Run, withoutEngine } from "../../engine/engine.ts";
import type { Operation } from "../../engine/fake-cloud.ts";
import { repository } from "../../engine/repository.ts";
import {
  GROUP,
  IMAGE,
  type RepositoryStack,
  repositoryStack,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

/** An operation that the cloud finishes. The engine is killed before it gets the result. */
type Moment = Pick<Operation, "action" | "type" | "name">;

const ACCOUNT = "gcp:serviceaccount/account:Account";
const COMMAND = "command:local:Command";
const NETWORK = "gcp:compute/network:Network";
const POLICY = "gcp:monitoring/alertPolicy:AlertPolicy";

const RECOVER = `node ${join(repository, "stacks/recover/cli.ts")} --stack staging`;

const creation = (type: string, name: string): Moment => ({ action: "create", type, name });

describe("after the engine was killed", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  before(async () => {
    staging = await repositoryStack(owner, "staging", { serverImage: IMAGE("a") }, { checkpoints: true });
  });

  /** Kills the engine when the cloud has finished all these operations. */
  async function kill(command: string, ...moments: Moment[]): Promise<void> {
    const { stack, cloud } = staging;
    const held = moments.map((moment) => cloud.hold(moment));
    const reached = Promise.all(held.map((each) => each.reached));
    await stack.kill(reached, command);
    for (const each of held) each.release();
  }

  /** Types the commands of the runbook, and returns what `npm run recover` prints. */
  async function recover(): Promise<string> {
    const { stack } = staging;
    const locked = await stack.up();
    assert.notEqual(locked.exitCode, 0);
    assert.match(locked.output, /currently locked by 1 lock/);
    await stack.shell("pulumi cancel --stack staging");
    return stack.shell(RECOVER);
  }

  const succeeded = (run: Run) => assert.equal(run.exitCode, 0, run.output);

  /** Everything in the cloud is in the state, and neither differs from the program. */
  async function assertComplete(): Promise<void> {
    const { stack, cloud } = staging;
    const { deployment } = JSON.parse(await stack.pulumi("stack", "export")) as {
      deployment: { resources: { id?: string }[]; pending_operations?: unknown[] };
    };
    const known = new Set(deployment.resources.map(({ id }) => id));
    const lost = cloud.resources.filter(({ id, type }) => !known.has(id) && kindOf(type) !== "twice");
    assert.deepEqual(
      lost.filter(({ type }) => type.startsWith("gcp:")).map(({ id }) => id),
      [],
    );
    assert.deepEqual(deployment.pending_operations ?? [], []);
    const run = await stack.preview("--refresh", "--expect-no-changes");
    assert.equal(run.exitCode, 0, run.output);
  }

  test("killed while the engine creates the network and accounts, which exist afterwards", async () => {
    const { stack } = staging;
    await kill("up", creation(NETWORK, "network"), creation(ACCOUNT, "gateway"), creation(ACCOUNT, "nats"));
    const printed = await recover();
    assert.match(printed, /^gcp:compute\/network:Network network: exists, and Pulumi knows it now$/m);
    assert.match(printed, /^Continue with pulumi up\.$/m);
    const again = await stack.shell(RECOVER);
    assert.match(again, /^staging: nothing was being created\. Continue with pulumi up\.$/m);
  });

  test("killed while the engine waits for machines and their group", async () => {
    await kill("up", creation(GROUP, "gateway-group"));
    assert.match(await recover(), /RegionInstanceGroupManager gateway-group: exists/);
  });

  test("killed during the smoke test, which runs again", async () => {
    await kill("up", creation(COMMAND, "rollout-test"));
    await recover();
    staging.takeCommands();
  });

  test("killed while the engine creates an alert, which is named because it would exist twice", async () => {
    await kill("up", creation(POLICY, "watchdog-entrance"));
    assert.match(
      await recover(),
      /AlertPolicy watchdog-entrance: the next pulumi up creates it\. If "odin-staging: clients cannot connect" exists already, delete that one first/,
    );
    succeeded(await staging.stack.up());
    assert.ok(staging.takeCommands().some(({ command }) => command.includes("smoke")));
    await assertComplete();
  });

  test("killed in a rollout: when the new template exists, and when the group moves to the template", async () => {
    const { stack, cloud } = staging;
    await stack.configure({ serverImage: IMAGE("b") });
    const old = cloud.one(TEMPLATE).id;
    await kill("up", creation(TEMPLATE, "gateway-template"));
    assert.match(
      await recover(),
      /gateway-template: if its second copy exists, the next pulumi up deletes it/,
    );
    await kill("up", { action: "update", type: GROUP, name: "gateway-group" });
    await recover();
    succeeded(await stack.up());
    assert.notEqual(cloud.one(TEMPLATE).id, old);
    await assertComplete();
  });

  test("killed while the engine destroys the stack", async () => {
    const { stack, cloud } = staging;
    await kill("destroy", { action: "delete", type: GROUP, name: "gateway-group" });
    await recover();
    succeeded(await stack.destroy());
    const left = cloud.resources.filter(({ type }) => type.startsWith("gcp:") && kindOf(type) !== "twice");
    assert.deepEqual(
      left.map(({ id }) => id),
      [],
    );
  });
});
