import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { type Recorded, record } from "../offline/offline.ts";
import { Machine, testSite } from "../offline/site.fixture.ts";
import { GatewayFleet } from "./gateway-fleet.ts";
import type { GatewayFleetArgs } from "./gateway-fleet-args.ts";

const ARGS: GatewayFleetArgs = {
  site: testSite,
  subnet: "projects/test-project/regions/us-central1/subnetworks/odin-test",
  zones: ["us-central1-a", "us-central1-b", "us-central1-c"],
  machineType: "e2-standard-2",
  cosImage: "cos-133-19999-44-85",
  account: "odin-test-gateway@test-project.iam.gserviceaccount.com",
  boot: {
    images: { gateway: "registry/gateway@sha256:0" },
    environment: { NATS_URL: "tls://nats:4222" },
    secrets: { "env-JWT_SECRET": "projects/test-project/secrets/jwt/versions/3" },
    files: { "nats-ca": "a certificate" },
    settings: { "loki-url": "http://10.10.0.10:3100" },
  },
  minInstances: 2,
  maxInstances: 5,
  cpuTarget: 0.6,
  connectionsTarget: 8000,
  scaleInMinutes: 10,
  drainSeconds: 60,
  rolloutCheck: "wait",
};

const fleet = (changes: Partial<GatewayFleetArgs> = {}) =>
  record(() => new GatewayFleet("gateway", { ...ARGS, ...changes }));

const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";
const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
const AUTOSCALER = "gcp:compute/regionAutoscaler:RegionAutoscaler";
const COMMAND = "command:local:Command";
const METRIC = "gcp:monitoring/metricDescriptor:MetricDescriptor";

test("the template", async () => {
  const { metadata, ...inputs } = (await fleet()).one(TEMPLATE).inputs;
  const labels = { app: "odin-ws", stack: "test", role: "gateway" };
  assert.deepEqual(inputs, {
    project: "test-project",
    region: "us-central1",
    description: "gateway",
    instanceDescription: "gateway",
    machineType: "e2-standard-2",
    disks: [
      {
        boot: true,
        deviceName: "boot-e2-standard-2",
        autoDelete: true,
        sourceImage: "projects/cos-cloud/global/images/cos-133-19999-44-85",
        diskType: "pd-balanced",
        diskSizeGb: 20,
        labels,
      },
    ],
    networkInterfaces: [{ subnetwork: ARGS.subnet }],
    canIpForward: false,
    serviceAccount: { email: ARGS.account, scopes: ["cloud-platform"] },
    shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
    scheduling: { provisioningModel: "STANDARD", automaticRestart: true, onHostMaintenance: "MIGRATE" },
    labels,
  });
});

test("the metadata has what the start-up script reads, and no secret", async () => {
  const template = (await fleet()).one(TEMPLATE);
  const {
    "startup-script": script,
    "odin-revision": revision,
    ...metadata
  } = template.inputs.metadata as Record<string, string>;
  assert.match(script ?? "", /^#!/);
  assert.match(revision ?? "", /^[0-9a-f]{16}$/);
  assert.deepEqual(metadata, {
    "enable-oslogin": "TRUE",
    "block-project-ssh-keys": "TRUE",
    "serial-port-logging-enable": "TRUE",
    "cos-update-strategy": "update_disabled",
    "odin-role": "gateway",
    "odin-image-gateway": "registry/gateway@sha256:0",
    "odin-env-NATS_URL": "tls://nats:4222",
    "odin-secret-env-JWT_SECRET": "projects/test-project/secrets/jwt/versions/3",
    "odin-file-nats-ca": "a certificate",
    "odin-loki-url": "http://10.10.0.10:3100",
    "odin-drain-seconds": "60",
    "odin-turn-bucket": "test-project-odin-test-turn",
  });
  assert.deepEqual(template.secrets, []);
});

test("a spot VM", async () => {
  const { one } = await fleet({ spot: true, drainSeconds: 20 });
  assert.deepEqual(one(TEMPLATE).inputs.scheduling, {
    provisioningModel: "SPOT",
    preemptible: true,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "STOP",
  });
});

test("the group", async () => {
  const { one, result } = await fleet();
  const group = one(GROUP);
  const template = await value(result.template);
  assert.deepEqual(group.inputs, {
    project: "test-project",
    region: "us-central1",
    description: "gateways",
    baseInstanceName: "odin-test-gateway",
    versions: [{ instanceTemplate: template }],
    distributionPolicyZones: ["us-central1-a", "us-central1-b", "us-central1-c"],
    distributionPolicyTargetShape: "EVEN",
    targetSize: 2,
    namedPorts: [{ name: "ws", port: 3004 }],
    autoHealingPolicies: {
      healthCheck: "projects/test-project/global/healthChecks/odin-test-gateway-live",
      initialDelaySec: 300,
    },
    updatePolicy: {
      type: "PROACTIVE",
      minimalAction: "REFRESH",
      mostDisruptiveAllowedAction: "REPLACE",
      replacementMethod: "SUBSTITUTE",
      maxSurgeFixed: 3,
      maxUnavailableFixed: 0,
      minReadySec: 60,
      instanceRedistributionType: "PROACTIVE",
    },
    waitForInstances: false,
  });
  assert.match(template, /instanceTemplates\/.*\?uniqueId=/);
  assert.deepEqual(group.ignoreChanges, ["targetSize"], "the autoscaler sets the size of an existing group");
  assert.deepEqual(group.customTimeouts, { create: "", update: "", delete: "60m" });
});

test("the check waits for the group and this template, after the autoscaler", async () => {
  const { one, result } = await fleet();
  const check = one(COMMAND, "gateway-rollout");
  assert.deepEqual(check.inputs, {
    create: "wait",
    update: "wait",
    environment: {
      GROUP: "projects/test-project/regions/us-central1/instanceGroupManagers/gateway-group",
      TEMPLATE: await value(result.template),
    },
    addPreviousOutputInEnv: false,
  });
  assert.ok(check.dependencies.includes(one(AUTOSCALER).urn));
  assert.deepEqual((await fleet({ rolloutCheck: undefined })).all(COMMAND), []);
});

test("the group waits for what the gateways need, the template does not", async () => {
  const { one } = await record(() => {
    const needed = new Machine("needed", {});
    return new GatewayFleet("gateway", { ...ARGS, after: [needed] });
  });
  const { urn } = one("test:index:Machine");
  assert.ok(one(GROUP).dependencies.includes(urn));
  // NATS VMs are deleted before they are replaced. A template that depends on one would be replaced, too.
  assert.ok(!one(TEMPLATE).dependencies.includes(urn));
});

test("the surge follows the zones", async () => {
  const { one } = await fleet({ zones: ["us-central1-f"] });
  const { distributionPolicyZones, updatePolicy } = one(GROUP).inputs;
  assert.deepEqual(distributionPolicyZones, ["us-central1-f"]);
  assert.equal((updatePolicy as { maxSurgeFixed: number }).maxSurgeFixed, 1);
});

test("autohealing asks /live and waits longer than the load balancer", async () => {
  const { httpHealthCheck, checkIntervalSec, unhealthyThreshold, timeoutSec } = (await fleet()).one(
    "gcp:compute/healthCheck:HealthCheck",
  ).inputs;
  assert.deepEqual(httpHealthCheck, { port: 3002, requestPath: "/live" });
  assert.equal(Number(checkIntervalSec) * Number(unhealthyThreshold), 120);
  assert.ok(Number(timeoutSec) <= Number(checkIntervalSec));
});

test("the autoscaler is created after the metric", async () => {
  const { one } = await fleet();
  const autoscaler = one(AUTOSCALER);
  assert.deepEqual(autoscaler.inputs, {
    project: "test-project",
    region: "us-central1",
    description: "gateways by CPU and connections",
    target: "projects/test-project/regions/us-central1/instanceGroupManagers/gateway-group",
    autoscalingPolicy: {
      mode: "ON",
      minReplicas: 2,
      maxReplicas: 5,
      cooldownPeriod: 120,
      stabilizationPeriod: 600,
      scaleInControl: { maxScaledInReplicas: { fixed: 1 }, timeWindowSec: 600 },
      cpuUtilization: { target: 0.6, predictiveMethod: "NONE" },
      metrics: [{ name: "custom.googleapis.com/odin_ws/connections", target: 8000, type: "GAUGE" }],
    },
  });
  assert.ok(autoscaler.dependencies.includes(one(METRIC).urn));
});

test("template, group and autoscaler have automatic names, and are deleted after their replacements exist", async () => {
  const { one } = await fleet();
  for (const type of [TEMPLATE, GROUP, AUTOSCALER]) {
    const { inputs, deleteBeforeReplace } = one(type);
    assert.deepEqual(
      ["name", "namePrefix"].filter((field) => field in inputs),
      [],
      type,
    );
    assert.equal(deleteBeforeReplace, false, type);
  }
});

test("a change of limits and targets changes only the autoscaler", async () => {
  const before = await fleet();
  const after = await fleet({
    minInstances: 3,
    maxInstances: 8,
    cpuTarget: 0.5,
    connectionsTarget: 6000,
    scaleInMinutes: 20,
  });
  const changed = before.resources.filter(
    (resource, index) => comparable(resource) !== comparable(after.resources[index]),
  );
  assert.equal(before.resources.length, after.resources.length);
  assert.deepEqual(
    changed.map(({ type }) => type),
    [AUTOSCALER],
  );
  assert.deepEqual(
    [await value(before.result.stable), await value(before.result.instanceGroup)],
    [await value(after.result.stable), await value(after.result.instanceGroup)],
  );
});

/** A resource as text, without the inputs whose changes are ignored. */
function comparable(resource: Recorded | undefined): string {
  const kept = Object.entries(resource?.inputs ?? {}).filter(
    ([key]) => !resource?.ignoreChanges.includes(key),
  );
  return JSON.stringify({ ...resource, inputs: Object.fromEntries(kept) });
}

/** Resources on which an output depends, which the SDK reports to the engine and does not export. */
const dependenciesOf = (output: object) =>
  (output as unknown as { allResources(): Promise<Set<pulumi.Resource>> }).allResources();

test("stable is the template, and the group's URL is known, when the check has passed", async () => {
  const { result, one } = await fleet();
  assert.equal(await value(result.stable), await value(result.template));
  for (const [output, types] of [
    [result.stable, [TEMPLATE, GROUP, AUTOSCALER, COMMAND]],
    [result.instanceGroup, [GROUP, COMMAND]],
  ] as const) {
    const urns = await Promise.all(
      [...(await dependenciesOf(output))].map((resource) => value(resource.urn)),
    );
    for (const type of types) assert.ok(urns.includes(one(type).urn), type);
  }
});

test("only production's group is protected", async () => {
  const protectedIn = async (production: boolean) =>
    (await fleet({ site: { ...testSite, production } })).resources
      .filter((resource: Recorded) => resource.protect)
      .map(({ type }) => type);
  assert.deepEqual(await protectedIn(false), []);
  assert.deepEqual(await protectedIn(true), [GROUP]);
});

test("every child belongs to the fleet", async () => {
  const { resources, one } = await fleet();
  const { urn } = one("odin-ws:index:GatewayFleet");
  const children = resources.filter((resource) => resource.urn !== urn);
  assert.equal(children.length, 9);
  const inside = children.filter(({ parent }) => parent === urn);
  assert.deepEqual(
    children.filter(({ parent }) => parent !== urn).map(({ name }) => name),
    ["gateway-turn-bucket", "gateway-turn-gateway"],
  );
  for (const { name } of inside) {
    assert.match(name, /^gateway-/);
  }
});

test("mistakes stop the fleet before anything is created", async () => {
  await assert.rejects(
    fleet({ zones: [], maxInstances: 1 }),
    (error: Error & { errors: { propertyPath: string }[] }) => {
      assert.match(error.message, /^gateway fleet "gateway" cannot be created:\n {2}zones is empty/);
      assert.deepEqual(
        error.errors.map(({ propertyPath }) => propertyPath),
        ["zones", "minInstances"],
      );
      return true;
    },
  );
});

function value<Value>(output: { apply(run: (value: Value) => void): unknown }): Promise<Value> {
  return new Promise((resolve) => output.apply(resolve));
}

test("a fleet that is emptied has an autoscaler that adds nothing; a further region's fleet declares no metric", async () => {
  const mode = ({ one }: Awaited<ReturnType<typeof fleet>>) =>
    (one(AUTOSCALER).inputs.autoscalingPolicy as { mode: string }).mode;
  assert.equal(mode(await fleet()), "ON");
  const emptied = await fleet({ drain: true, declaresMetric: false });
  assert.equal(mode(emptied), "OFF");
  assert.deepEqual(emptied.all(METRIC), []);
  assert.equal((await fleet()).all(METRIC).length, 1);
});
