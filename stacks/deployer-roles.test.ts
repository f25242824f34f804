import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { repositoryFolder } from "./preview/record-stack.ts";
import { stackNames } from "./preview/stack-config.ts";
import { isCapacityTest, recordWith } from "./recorded.fixture.ts";

// The roles that tools/bootstrap.sh grants to the deployer must be enough for every resource of the stacks.

const SCRIPT = readFileSync(new URL("../tools/bootstrap/roles.sh", import.meta.url), "utf8");

/** The roles of one list of the script. */
function list(name: string): string[] {
  const text = SCRIPT.match(new RegExp(`^${name}=\\(\n(.*?)^\\)`, "ms"))?.[1] ?? "";
  return [...text.matchAll(/^ {2}(roles\/\S+)/gm)].map(([, role = ""]) => role);
}

/**
 * The role that creates, changes and deletes resources of a type; the first match counts. Null: no role of
 * the project.
 */
const ROLES: [type: RegExp, role: string | null][] = [
  [/^gcp:artifactregistry\//, "roles/artifactregistry.admin"],
  [/^gcp:billing\//, null], // a role on the billing account, which the script mentions
  [/^gcp:certificatemanager\//, "roles/certificatemanager.owner"],
  [/^gcp:compute\/(firewall|securityPolicy|sSLPolicy):/, "roles/compute.securityAdmin"],
  [
    /^gcp:compute\/(instance|instanceTemplate|regionInstanceGroupManager|regionAutoscaler|disk|resourcePolicy|diskResourcePolicyAttachment):/,
    "roles/compute.instanceAdmin.v1",
  ],
  [
    /^gcp:compute\/(network|subnetwork|router|routerNat|address|globalAddress|forwardingRule|globalForwardingRule|backendService|regionBackendService|healthCheck|regionHealthCheck|targetHttpsProxy|uRLMap):/,
    "roles/compute.networkAdmin",
  ],
  [/^gcp:dns\//, "roles/dns.admin"],
  [/^gcp:monitoring\//, "roles/monitoring.editor"],
  [/^gcp:projects\/iAMMember:/, "roles/resourcemanager.projectIamAdmin"],
  [/^gcp:projects\/service:/, "roles/serviceusage.serviceUsageAdmin"],
  [/^gcp:secretmanager\//, "roles/secretmanager.admin"],
  [/^gcp:serviceaccount\/account:/, "roles/iam.serviceAccountAdmin"],
  [/^gcp:storage\//, "roles/storage.admin"],
  [/^(command|docker|random|tls):/, null], // on the machine that deploys
  [/^pulumi:providers:/, null], // how the program talks to the cloud
];

const EVERYTHING = {
  domain: "live.example.com",
  dnsZone: "example-com",
  alertEmail: "ops@example.com",
  monthlyBudget: "400",
};

for (const stack of stackNames(repositoryFolder)) {
  test(`${stack}: the deployer may create every resource, and grant the roles of the machines`, async () => {
    const recording = await recordWith(stack, isCapacityTest(stack) ? {} : EVERYTHING);
    const resources = recording.resources.filter(({ custom }) => custom);
    assert.ok(resources.length > 20, String(resources.length));
    const granted = new Set([...list("deployer_roles"), "roles/resourcemanager.projectIamAdmin"]);
    for (const { type, name } of resources) {
      const [, role] = ROLES.find(([pattern]) => pattern.test(type)) ?? [];
      assert.notEqual(
        role,
        undefined,
        `no role is known for ${type} (${name}): add the role here and to tools/bootstrap/roles.sh`,
      );
      if (role)
        assert.ok(
          granted.has(role),
          `${role} for ${type} is not in deployer_roles of tools/bootstrap/roles.sh`,
        );
    }
    const machines = resources.filter(({ type }) => type === "gcp:projects/iAMMember:IAMMember");
    assert.ok(machines.length > 0);
    for (const { inputs } of machines)
      assert.ok(
        list("granted_roles").includes(String(inputs.role)),
        `${inputs.role} is not in granted_roles of tools/bootstrap/roles.sh`,
      );
  });
}

test("the deployer grants no more roles than one condition can name", () => {
  assert.ok(list("granted_roles").length <= 10); // the limit of hasOnly() in IAM conditions
});
