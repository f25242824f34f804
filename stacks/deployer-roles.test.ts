import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Recorded, record } from "@odin-ws/infra";
import program from "./index.ts";
import { repositoryFolder } from "./preview/record-stack.ts";
import { readStack, stackNames } from "./preview/stack-config.ts";

// What tools/bootstrap.sh lets the deployer do must be enough for everything that the stacks consist of.

const SCRIPT = readFileSync(new URL("../tools/bootstrap/roles.sh", import.meta.url), "utf8");

/** The roles of one list of the script. */
function list(name: string): string[] {
  const text = SCRIPT.match(new RegExp(`^${name}=\\(\n(.*?)^\\)`, "ms"))?.[1] ?? "";
  return [...text.matchAll(/^ {2}(roles\/\S+)/gm)].map(([, role = ""]) => role);
}

/** Which role creates, changes and deletes resources of a type; the first that fits. Null: not in the project. */
const ROLES: [type: RegExp, role: string | null][] = [
  [/^gcp:artifactregistry\//, "roles/artifactregistry.admin"],
  [/^gcp:billing\//, null], // on the billing account: the script says so
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

async function resourcesOf(stack: string): Promise<Recorded[]> {
  const { project, config, secretKeys } = readStack(repositoryFolder, stack);
  const jwtSecret = "jwt-secret-of-the-roles-test-0123456789";
  const values: Record<string, string> = stack === "capacity" ? {} : { ...EVERYTHING, jwtSecret };
  const named = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`${project}:${key}`, value]),
  );
  const options = { project, stack, config: { ...config, ...named }, secretKeys };
  return (await record(() => program(), options)).resources;
}

for (const stack of stackNames(repositoryFolder)) {
  test(`${stack}: the deployer may make every resource, and grant the roles of its machines`, async () => {
    const resources = (await resourcesOf(stack)).filter(({ custom }) => custom);
    assert.ok(resources.length > 20, String(resources.length));
    const granted = new Set([...list("deployer_roles"), "roles/resourcemanager.projectIamAdmin"]);
    for (const { type, name } of resources) {
      const [, role] = ROLES.find(([pattern]) => pattern.test(type)) ?? [];
      assert.notEqual(
        role,
        undefined,
        `which role makes ${type} (${name})? Add it here and to tools/bootstrap/roles.sh`,
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

test("the deployer may grant as many roles as one condition can name", () => {
  assert.ok(list("granted_roles").length <= 10); // the limit of hasOnly()
});
