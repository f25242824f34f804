/**
 * Several regions in the real engine: regions that are added, changed, updated one after the other, and
 * removed.
 */

import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { type Run, withoutEngine } from "../../engine/engine.ts";
import {
  AUTOSCALER,
  assertInOrder,
  DRAIN,
  GROUP,
  IMAGE,
  inWords,
  type RepositoryStack,
  ROLLOUT,
  repositoryStack,
  SMOKE,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

const HOME = { zones: ["us-central1-a", "us-central1-b", "us-central1-c"], minInstances: 2, maxInstances: 5 };
const EUROPE = { zones: ["europe-west1-b", "europe-west1-c"], minInstances: 2, maxInstances: 4 };
const ASIA = { zones: ["asia-southeast1-a", "asia-southeast1-b"], minInstances: 3, maxInstances: 6 };
const ENTRANCE = "gcp:compute/backendService:BackendService";

/** What clients of a region need. */
const PARTS: Record<string, string[]> = {
  gateway: ["template", "group", "autoscaler", "live", "turn-bucket"],
  "load-balancer": ["address", "health", "service", "rule"],
  network: ["subnet", "router", "nat"],
};

/** The metadata of a VM change, which the VM applies without a restart. */
const inPlace = (vm: string): string[] => [
  ...["create-replacement", "delete-replaced", "replace"].map((op) => `${op} Command ${vm}-startup`),
  `update Instance ${vm}`,
];
/** The checks of VMs that have started are not part of these tests. */
const AWAIT_STARTUP = "npm run --silent await-startup";

type Regions = Record<string, Partial<typeof HOME> & { drain?: boolean }>;

const THREE: Regions = { "us-central1": HOME, "asia-southeast1": ASIA, "europe-west1": EUROPE };

/** Sets `regions`, and removes `zones`, as a person does. */
async function setRegions({ stack }: RepositoryStack, regions: Regions): Promise<void> {
  for (const key of ["zones", "regions"]) await stack.pulumi("config", "rm", key).catch(() => "");
  const items = Object.entries(regions).flatMap(([region, { zones = [], ...limits }]) => [
    ...zones.map((zone, index): [string, string] => [`regions["${region}"].zones[${index}]`, zone]),
    ...Object.entries(limits).map(([key, value]): [string, string] => [
      `regions["${region}"].${key}`,
      String(value),
    ]),
  ]);
  await stack.configure(Object.fromEntries(items));
}

const steps = (run: Run) => run.steps.map(({ op, type, name }) => `${op} ${type.split(":").at(-1)} ${name}`);
/** Steps without new and deleted resources of one region, and without the files of the monitoring. */
const others = (run: Run, region: string) =>
  steps(run)
    .filter((step) => !(/^(create|delete) /.test(step) && step.includes(region)))
    .filter((step) => !/ BucketObject monitoring-/.test(step))
    .sort();

async function up({ stack }: RepositoryStack): Promise<Run> {
  const run = await stack.up();
  assert.equal(run.exitCode, 0, run.output);
  return run;
}

async function assertAtRest({ stack }: RepositoryStack): Promise<void> {
  const { exitCode, steps, output } = await stack.preview("--expect-no-changes");
  assert.deepEqual([exitCode, steps], [0, []], output);
}

describe("regions of prod", { skip: withoutEngine(), timeout: 600_000 }, () => {
  const owner = suiteOwner();
  let prod: RepositoryStack;
  before(async () => {
    prod = await repositoryStack(owner, "prod", { serverImage: IMAGE("a"), domain: "live.example.com" });
    await up(prod);
  });
  beforeEach(() => {
    prod.cloud.repair();
    prod.cloud.takeOperations();
    prod.takeCommands();
  });

  const groupOf = (region: string) =>
    prod.cloud.one(GROUP, region === "us-central1" ? "gateway-group" : `gateway-${region}-group`);
  const imageIn = (region: string): string => {
    const [version] = groupOf(region).inputs.versions as { instanceTemplate: string }[];
    const template = prod.cloud
      .all(TEMPLATE)
      .find(({ state }) => state.selfLinkUnique === version?.instanceTemplate);
    return String((template?.inputs.metadata as Record<string, string> | undefined)?.["odin-image-gateway"]);
  };
  const backends = () =>
    (prod.cloud.one(ENTRANCE).inputs.backends as { group: string }[]).map(
      ({ group }) => /regions\/([^/]+)\//.exec(group)?.[1],
    );

  test("the key with the home region alone changes nothing", async () => {
    await setRegions(prod, { "us-central1": HOME });
    await assertAtRest(prod);
  });

  test("a region is added: its NATS server joins those at home, and no gateway at home changes", async () => {
    await setRegions(prod, { "us-central1": HOME, "europe-west1": EUROPE });
    const preview = await prod.stack.preview();
    assert.equal(preview.exitCode, 0, preview.output);
    assert.deepEqual(
      others(preview, "europe-west1"),
      [
        "create Command rollout-entrance-test",
        "update BackendService wss-service",
        "update Command rollout-test",
        // What the first region's NATS server needs to join, and its metrics.
        "create Firewall firewall-nats-leaf",
        "create RandomPassword nats-leaf",
        "create Secret nats-leaf-password",
        "create SecretIamMember nats-leaf-password-accessor-nats",
        "create SecretVersion nats-leaf-password-version",
        ...["nats-0", "nats-1", "nats-2", "monitoring"].flatMap(inPlace),
      ].sort(),
    );
    await up(prod);
    const done = inWords(prod.cloud.takeOperations());
    assertInOrder(done, [
      "update Command rollout-test",
      "create RegionInstanceGroupManager gateway-europe-west1-group",
      "create Command gateway-europe-west1-rollout",
      "create ForwardingRule load-balancer-europe-west1-rule",
      "create Command rollout-europe-west1-test",
      "update BackendService wss-service",
      "create Command rollout-entrance-test",
    ]);
    assert.deepEqual(backends(), ["us-central1", "us-central1", "europe-west1"]);
    assert.deepEqual(
      prod.cloud.one(AUTOSCALER, "gateway-europe-west1-autoscaler").inputs.region,
      "europe-west1",
    );
    await assertAtRest(prod);
  });

  test("the output url names the global entrance and the address of each region", async () => {
    const url = JSON.parse(await prod.stack.pulumi("stack", "output", "url", "--json")) as Record<
      string,
      string
    >;
    assert.deepEqual(Object.keys(url).sort(), ["europe-west1", "global", "us-central1"]);
    assert.equal(url.global, "wss://live.example.com/ws");
    for (const region of ["europe-west1", "us-central1"])
      assert.match(url[region] ?? "", /^ws:\/\/203\.0\.113\.\d+:3004\/ws$/);
    assert.notEqual(url["europe-west1"], url["us-central1"]);
  });

  test("a third region is added: the second one does not change", async () => {
    await setRegions(prod, THREE);
    const preview = await prod.stack.preview();
    const changed = ["update BackendService wss-service", ...inPlace("monitoring")].sort();
    assert.deepEqual(others(preview, "asia-southeast1"), changed);
    await up(prod);
    const mirror = prod.cloud.one("gcp:compute/instance:Instance", "nats-asia-southeast1");
    assert.equal(mirror.inputs.zone, ASIA.zones[0]);
    assert.deepEqual(backends(), ["us-central1", "us-central1", "asia-southeast1", "europe-west1"]);
    const named = prod.cloud.all(GROUP).map(({ inputs }) => inputs.baseInstanceName);
    assert.deepEqual(named.sort(), [
      "odin-prod-apse1-gateway",
      "odin-prod-canary",
      "odin-prod-euw1-gateway",
      "odin-prod-gateway",
    ]);
    await assertAtRest(prod);
  });

  for (const [region, autoscaler] of [
    ["europe-west1", "gateway-europe-west1-autoscaler"],
    ["us-central1", "gateway-autoscaler"],
  ] as const)
    test(`a limit of ${region} is one update, of its autoscaler`, async () => {
      await setRegions(prod, { ...THREE, [region]: { ...THREE[region], maxInstances: 9 } });
      assert.deepEqual(steps(await prod.stack.preview()), [`update RegionAutoscaler ${autoscaler}`]);
      await up(prod);
      assert.deepEqual(inWords(prod.cloud.takeOperations()), [`update RegionAutoscaler ${autoscaler}`]);
      const { autoscalingPolicy } = prod.cloud.one(AUTOSCALER, autoscaler).inputs;
      assert.equal((autoscalingPolicy as { maxReplicas: number }).maxReplicas, 9);
      await setRegions(prod, THREE);
      await up(prod);
    });

  test("another image reaches one region after the other, each after the test of the region before it", async () => {
    await prod.stack.configure({ serverImage: IMAGE("b") });
    await up(prod);
    const done = inWords(prod.cloud.takeOperations());
    assertInOrder(done, [
      "update Command gateway-canary-judge",
      "update RegionInstanceGroupManager gateway-group",
      "update Command gateway-rollout",
      "create Command rollout-test",
      "update RegionInstanceGroupManager gateway-asia-southeast1-group",
      "update Command gateway-asia-southeast1-rollout",
      "create Command rollout-asia-southeast1-test",
      "update RegionInstanceGroupManager gateway-europe-west1-group",
      "update Command gateway-europe-west1-rollout",
      "create Command rollout-europe-west1-test",
      "create Command rollout-entrance-test",
    ]);
    const tested = prod
      .takeCommands()
      .filter(({ command }) => [ROLLOUT, SMOKE].includes(command))
      .map(({ environment }) => environment.GROUP ?? environment.ODIN_SMOKE_GROUP ?? "")
      .map((group) => /regions\/([^/]+)\//.exec(group)?.[1]);
    const order = ["us-central1", "asia-southeast1", "europe-west1"];
    assert.deepEqual(tested, [...order.flatMap((region) => [region, region]), "us-central1"]);
    for (const region of order) assert.equal(imageIn(region), IMAGE("b"));
    await assertAtRest(prod);
  });

  /** The gate of one region fails. */
  function failIn(region: string): () => void {
    const only = prod.cloud.runCommand;
    prod.cloud.runCommand = (command, options) =>
      command === SMOKE && String(options.environment.ODIN_SMOKE_GROUP).includes(`/regions/${region}/`)
        ? Promise.reject(new Error("FAILED welcome: no message"))
        : only(command, options);
    return () => {
      prod.cloud.runCommand = only;
    };
  }

  for (const [where, reached] of [
    ["us-central1", ["us-central1"]],
    ["asia-southeast1", ["us-central1", "asia-southeast1"]],
  ] as const)
    test(`the test fails in ${where}: the regions after it are not touched, and the next update brings the others back`, async () => {
      const repair = failIn(where);
      await prod.stack.configure({ serverImage: IMAGE("c") });
      const failed = await prod.stack.up();
      assert.notEqual(failed.exitCode, 0, failed.output);
      assert.match(failed.messages.join("\n"), /FAILED welcome: no message/);
      const all = ["us-central1", "asia-southeast1", "europe-west1"];
      for (const region of all)
        assert.equal(imageIn(region), IMAGE(reached.some((name) => name === region) ? "c" : "b"), region);
      const done = inWords(prod.cloud.takeOperations());
      for (const region of all.filter((name) => !reached.some((other) => other === name)))
        assert.deepEqual(
          done.filter((step) => step.includes(region)),
          [`create InstanceTemplate gateway-${region}-template`], // which no gateway has
        );
      assert.equal((await prod.stack.pulumi("stack", "output", "image")).trim(), IMAGE("b"));
      repair();
      await prod.stack.configure({ serverImage: IMAGE("b") });
      await up(prod);
      for (const region of all) assert.equal(imageIn(region), IMAGE("b"));
      await assertAtRest(prod);
    });

  test("prod refuses to remove a region that still has gateways, before anything changes", async () => {
    const { "asia-southeast1": _, ...rest } = THREE;
    await setRegions(prod, rest);
    for (const run of [await prod.stack.preview(), await prod.stack.up()]) {
      assert.notEqual(run.exitCode, 0);
      assert.match(run.output, /no longer has asia-southeast1, where gateways still have clients/);
      assert.match(run.output, /pulumi config set --path 'regions\["asia-southeast1"\]\.drain' true/);
    }
    assert.deepEqual(prod.cloud.takeOperations(), []);
  });

  test("drain: the autoscaler stops, the group is emptied, and the region is still behind the entrance", async () => {
    await setRegions(prod, { ...THREE, "asia-southeast1": { ...ASIA, drain: true } });
    const preview = await prod.stack.preview();
    assert.equal(preview.exitCode, 0, preview.output);
    assert.deepEqual(others(preview, "asia-southeast1"), [
      "update Command drain-asia-southeast1-group",
      "update RegionAutoscaler gateway-asia-southeast1-autoscaler",
    ]);
    await up(prod);
    assertInOrder(inWords(prod.cloud.takeOperations()), [
      "update RegionAutoscaler gateway-asia-southeast1-autoscaler",
      "update Command drain-asia-southeast1-group",
    ]);
    const [drained, ...more] = prod.takeCommands();
    assert.deepEqual(more, []);
    assert.deepEqual(drained, {
      command: DRAIN,
      environment: {
        GROUP: groupOf("asia-southeast1").id,
        AUTOSCALER: prod.cloud.one(AUTOSCALER, "gateway-asia-southeast1-autoscaler").id,
        DRAIN: "true",
      },
    });
    assert.ok(
      backends().includes("asia-southeast1"),
      "connections through the entrance are drained, not cut",
    );
    await assertAtRest(prod);
  });

  test("an update in that state does not wait for gateways of the empty region", async () => {
    await prod.stack.configure({ serverImage: IMAGE("d") });
    await up(prod);
    const groups = prod.takeCommands().map(({ environment }) => environment.GROUP ?? "");
    assert.ok(!groups.some((group) => group.includes("asia-southeast1")), groups.join("\n"));
    for (const region of ["us-central1", "asia-southeast1", "europe-west1"])
      assert.equal(imageIn(region), IMAGE("d"), region);
  });

  test("then the region is removed: it leaves the entrance, and is checked to be empty before anything is deleted", async () => {
    const { "asia-southeast1": _, ...rest } = THREE;
    await setRegions(prod, rest);
    const preview = await prod.stack.preview();
    assert.equal(preview.exitCode, 0, preview.output);
    const changed = ["update BackendService wss-service", ...inPlace("monitoring")].sort();
    assert.deepEqual(others(preview, "asia-southeast1"), changed);
    await up(prod);
    const done = inWords(prod.cloud.takeOperations());
    assertInOrder(done, [
      "update BackendService wss-service",
      "delete Command drain-asia-southeast1-group",
      "delete ForwardingRule load-balancer-asia-southeast1-rule",
      "delete RegionInstanceGroupManager gateway-asia-southeast1-group",
      "delete Subnetwork network-asia-southeast1-subnet",
    ]);
    assert.equal(
      done.find((step) => step.startsWith("delete ")),
      "delete Command drain-asia-southeast1-group",
    );
    assert.deepEqual(
      prod
        .takeCommands()
        .map(({ command }) => command)
        .filter((command) => command !== AWAIT_STARTUP),
      [`DRAIN=true ${DRAIN}`],
    );
    assert.deepEqual(
      prod.cloud.resources.filter(({ name }) => name.includes("asia-southeast1")),
      [],
    );
    await assertAtRest(prod);
  });
});

describe("regions of staging", { skip: withoutEngine(), timeout: 300_000 }, () => {
  const owner = suiteOwner();
  let staging: RepositoryStack;
  const TWO = { "us-central1": HOME, "europe-west1": EUROPE };
  const ONE = { "us-central1": HOME };
  const left = () => staging.cloud.resources.filter(({ name }) => name.includes("europe-west1")).length;
  before(async () => {
    staging = await repositoryStack(owner, "staging", {
      serverImage: IMAGE("a"),
      domain: "live.example.com",
    });
    await setRegions(staging, TWO);
    await up(staging);
    staging.takeCommands();
    staging.cloud.takeOperations();
  });

  test("two regions at once: nothing is left to do after the first up", async () => {
    await assertAtRest(staging);
  });

  test("a region that cannot be emptied is not removed: nothing of it is deleted", async () => {
    const only = staging.cloud.runCommand;
    staging.cloud.runCommand = (command, options) =>
      command.startsWith("DRAIN=true")
        ? Promise.reject(new Error("gateway-group: not empty within 1200 s"))
        : only(command, options);
    await setRegions(staging, ONE);
    const failed = await staging.stack.up();
    assert.notEqual(failed.exitCode, 0);
    assert.match(failed.messages.join("\n"), /not empty within 1200 s/);
    const kept = staging.cloud.resources.map(({ name }) => name);
    for (const name of ["gateway", "load-balancer", "network"])
      for (const part of PARTS[name] ?? []) assert.ok(kept.includes(`${name}-europe-west1-${part}`), part);
    staging.cloud.runCommand = only;
  });

  test("one update removes a region: its gateways are emptied first", async () => {
    await up(staging);
    assert.ok(staging.takeCommands().some(({ command }) => command === `DRAIN=true ${DRAIN}`));
    assert.equal(left(), 0);
    await assertAtRest(staging);
  });

  test("the whole stack is destroyed, with the region that it had", async () => {
    await setRegions(staging, TWO);
    await up(staging);
    const destroyed = await staging.stack.destroy();
    assert.equal(destroyed.exitCode, 0, destroyed.output);
    assert.equal(left(), 0);
  });
});
