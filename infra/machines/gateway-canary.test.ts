import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { GatewayFleet } from "./gateway-fleet.ts";

const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
const COMMAND = "command:local:Command";

const fleet = (production = false) =>
  record(
    () =>
      new GatewayFleet("gateway", {
        site: { ...testSite, production },
        subnet: "subnet",
        zones: ["us-central1-a", "us-central1-b"],
        machineType: "e2-standard-2",
        cosImage: "cos-133-19999-44-85",
        account: "gateway@test-project.iam.gserviceaccount.com",
        boot: { images: { gateway: "registry/gateway@sha256:0" } },
        minInstances: 2,
        maxInstances: 5,
        cpuTarget: 0.6,
        connectionsTarget: 8000,
        scaleInMinutes: 10,
        drainSeconds: 60,
        canary: { command: "judge", environment: { CANARY_MINUTES: "10", ODIN_SMOKE_JWT_SECRET: "secret" } },
      }),
  );

test("the canary's group has the same template and zones, no autohealing, and is empty", async () => {
  const { one } = await fleet(true);
  const canary = one(GROUP, "gateway-canary-group");
  const others = one(GROUP, "gateway-group");
  for (const field of ["versions", "distributionPolicyZones", "updatePolicy", "namedPorts"])
    assert.deepEqual(canary.inputs[field], others.inputs[field], field);
  assert.equal(canary.inputs.targetSize, 0);
  assert.deepEqual(canary.ignoreChanges, ["targetSize"], "the judge sets the size");
  assert.equal(canary.inputs.baseInstanceName, "odin-test-canary");
  assert.equal(canary.inputs.autoHealingPolicies, undefined, "a canary that fails must be seen to fail");
  assert.deepEqual([canary.protect, others.protect], [false, true]);
});

test("the judge runs for each template, before the other gateways get the template", async () => {
  const { one } = await fleet();
  const judge = one(COMMAND, "gateway-canary-judge");
  const { TEMPLATE, ...environment } = judge.inputs.environment as Record<string, string>;
  assert.match(TEMPLATE ?? "", /instanceTemplates/);
  assert.deepEqual(environment, {
    CANARY_REGION: "projects/test-project/regions/us-central1",
    CANARY_GATEWAYS: "odin-test-gateway",
    CANARY_GROUP: "projects/test-project/regions/us-central1/instanceGroupManagers/gateway-canary-group",
    CANARY_MINUTES: "10",
    ODIN_SMOKE_JWT_SECRET: "secret",
  });
  assert.deepEqual([judge.inputs.create, judge.inputs.update], ["judge", "judge"]);
  assert.ok(
    judge.secrets.some((path) => path.includes("environment")),
    `${judge.secrets}`,
  );
  assert.ok(one(GROUP, "gateway-group").dependencies.includes(judge.urn));
});
