/**
 * Brings stacks up to date that the released version created. No resource that users depend on may be
 * replaced or deleted: the addresses, the disks, the group and the secrets of a running service must survive
 * a new version. A renamed resource or a renamed component type would replace resources, because both are
 * parts of a URN.
 *
 * The stacks in test/engine/released were created by commit 68209a7, in the fake cloud of these tests. Save
 * them again after each release, in a checkout of the released version:
 *
 *     node test/engine/released/save.ts
 *
 * and copy test/engine/released/*.json.br into the checkout that is under test. A version that has no save.ts
 * yet needs copies of test/engine/stack-settings.ts, test/engine/released/save.ts and
 * test/engine/released/stacks.ts first.
 */

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { type Step, withoutEngine } from "../../engine/engine.ts";
import { liveResources, RELEASED, readReleased } from "../../engine/released/stacks.ts";
import { GROUP, type RepositoryStack, repositoryStack, TEMPLATE } from "../../engine/repository-stack.ts";
import { ofUrn } from "../../engine/resource-type.ts";
import { suiteOwner } from "../../harness/owner.ts";

/** Types of which a new resource replaces the old one at each rollout, and why nobody notices. */
const REPLACED_BY_ROLLOUTS: Record<string, string> = {
  [TEMPLATE]:
    "a template cannot be changed: another image or start-up script needs a new template with a new automatic name, and the group is updated in place",
  "command:local:Command":
    "a start-up check or smoke test, which runs again after its VM changed; it exists in the state alone",
};

/**
 * Steps that are not updates and that a version since the release takes on purpose: `create TYPE NAME` or
 * `delete TYPE NAME`, and the reason.
 */
const ON_PURPOSE: Record<string, string> = {
  ...Object.fromEntries(
    ["gateway", "publisher", "loadtest"].map((name) => [
      `delete docker:index/image:Image ${name}-image`,
      "a command builds the image now, so that a preview needs no Docker daemon. The resource existed in the state alone: its deletion removes nothing from the registry",
    ]),
  ),
  "create gcp:storage/bucketObject:BucketObject monitoring-config-alloy/nats.alloy":
    "NATS servers ship their logs: the configuration of their log shipper",
  "create gcp:storage/bucketIAMMember:BucketIAMMember monitoring-config-nats":
    "NATS servers ship their logs: their log shipper reads its configuration",
  "create gcp:monitoring/alertPolicy:AlertPolicy watchdog-warnings":
    "warnings are sent by mail, too: before, alertEmail heard of critical alerts only",
  ...Object.fromEntries(
    ["bucket:Bucket gateway-turn-bucket", "bucketIAMMember:BucketIAMMember gateway-turn-gateway"].map(
      (resource) => [
        `create gcp:storage/${resource}`,
        "gateways apply changed settings in place, one after the other: an object in a bucket says whose turn it is",
      ],
    ),
  ),
  ...Object.fromEntries(
    ["bucket:Bucket monitoring-logs", "bucketIAMMember:BucketIAMMember monitoring-logs-writer"].map(
      (resource) => [
        `create gcp:storage/${resource}`,
        "logs survive the monitoring VM: Loki keeps them in a bucket",
      ],
    ),
  ),
  [`create ${GROUP} gateway-canary-group`]:
    "a new template is tried on gateways of their own: the group is empty until then",
};

const unexpected = (steps: readonly Step[]): string[] =>
  steps
    .filter(({ op, type }) => op !== "update" && REPLACED_BY_ROLLOUTS[type] === undefined)
    .map(({ op, type, name }) => `${op} ${type} ${name}`)
    .filter((step) => ON_PURPOSE[step] === undefined);

/** Whether a resource is deleted on purpose. */
function isDeleted(urn: string): boolean {
  const { type, name } = ofUrn(urn);
  return ON_PURPOSE[`delete ${type} ${name}`] !== undefined;
}

/**
 * URNs of a stack's state. The URN of a default provider is left out: it ends with the version of its
 * package.
 */
function urnsOf(exported: string): string[] {
  const { deployment } = JSON.parse(exported) as {
    deployment: { resources: { urn: string; type: string }[] };
  };
  return deployment.resources
    .filter(({ urn }) => !/::pulumi:providers:\w+::default_/.test(urn))
    .map(({ urn }) => urn)
    .sort();
}

for (const [name, { plain, secret }] of Object.entries(RELEASED)) {
  describe(`${name} of the released version`, { skip: withoutEngine() }, () => {
    const owner = suiteOwner();
    const exported = readReleased(name);
    let released: RepositoryStack;
    before(async () => {
      released = await repositoryStack(owner, name, plain);
      const { stack, cloud } = released;
      if (Object.keys(secret).length > 0) await stack.configure({}, secret);
      // A new version of the gateway must be asked for by name.
      if (name !== "capacity") await stack.configure({ serverImage: "build" });
      cloud.restore(liveResources(exported));
      await stack.importState(exported);
    });

    test("there is a stack to bring up to date", () => {
      assert.ok(released.cloud.resources.length > 40, `${released.cloud.resources.length} resources`);
    });

    test("a preview shows updates in place, and replaces nothing but templates and checks", async () => {
      const { exitCode, steps, output } = await released.stack.preview();
      assert.equal(exitCode, 0, output);
      assert.deepEqual(unexpected(steps), []);
    });

    test("`up` succeeds: every resource is still there, under its URN and with its id", async () => {
      const { stack, cloud } = released;
      const { exitCode, steps, output } = await stack.up();
      assert.equal(exitCode, 0, output);
      assert.deepEqual(unexpected(steps), []);

      const urns = urnsOf(await stack.pulumi("stack", "export"));
      const missing = urnsOf(exported).filter((urn) => !urns.includes(urn) && !isDeleted(urn));
      assert.deepEqual(missing, []);
      const ids = new Set(cloud.resources.map(({ id }) => id));
      const kept = liveResources(exported).filter(
        ({ type, urn }) => REPLACED_BY_ROLLOUTS[type] === undefined && !isDeleted(urn),
      );
      assert.deepEqual(
        kept.filter(({ id }) => !ids.has(id)).map(({ urn }) => urn),
        [],
      );
      for (const { inputs, name } of cloud.all(GROUP).filter(({ name }) => name === "gateway-group"))
        assert.equal(inputs.targetSize, undefined, `${name}: the autoscaler's size stays`);
    });

    test("after that nothing is left to do", async () => {
      const { exitCode, steps } = await released.stack.preview("--expect-no-changes");
      assert.deepEqual([exitCode, steps], [0, []]);
    });
  });
}
