import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { machine, one } from "./fake-project.fixture.ts";

test("the roles for a budget are granted on the billing account, and only with --budget", (t) => {
  const { run, changes } = machine(t);
  const first = run(["my-project", "acme/odin"]);
  assert.match(first.out, /For a budget \(monthlyBudget\), .* --budget\.$/m);
  assert.ok(!changes().some((line) => line.startsWith("billing ")));
  const { code, err } = run(["my-project", "acme/odin", "--budget", "--on-call", "user:me@example.com"]);
  assert.equal(code, 0, err);
  const grants = changes().flatMap((line) => {
    const [, member, role] =
      /^billing accounts add-iam-policy-binding 0A-0B-0C --member=(\S+) --role=(\S+)/.exec(line) ?? [];
    return member && role ? [[member, role]] : [];
  });
  const account = (name: string) => `serviceAccount:${name}@my-project.iam.gserviceaccount.com`;
  assert.deepEqual(grants, [
    [account("odin-deployer"), "roles/billing.costsManager"],
    [account("odin-drift"), "roles/billing.viewer"],
    ["user:me@example.com", "roles/billing.viewer"],
  ]);
  run(["my-project", "acme/odin", "--budget", "--on-call", "user:me@example.com"]);
  assert.deepEqual(changes(), []);
});

test("a budget for a project without a billing account is refused", (t) => {
  const { run, state } = machine(t);
  writeFileSync(join(state, " billing projects my-project"), "");
  const { code, err } = run(["my-project", "acme/odin", "--budget"]);
  assert.equal(code, 1);
  assert.match(err, /my-project has no billing account: gcloud billing projects link/);
});

test("the script reports the roles of the default account and does not remove them", (t) => {
  const { run, changes, state } = machine(t);
  const editor = "serviceAccount:123456789012-compute@developer.gserviceaccount.com";
  writeFileSync(join(state, " projects my-project.policy"), `roles/editor,${editor},\n`);
  const { out } = run(["my-project"]);
  assert.ok(
    out.includes(
      `\ngcloud projects remove-iam-policy-binding my-project --member=${editor} --role=roles/editor`,
    ),
    out,
  );
  assert.ok(!changes().some((line) => line.includes("remove-iam-policy-binding")));
  assert.doesNotMatch(machine(t).run(["my-project"]).out, /remove-iam-policy-binding/);
});

/**
 * The roles that each command of the runbook needs. Pulumi's commands need the roles of the deployer and the
 * drift check.
 */
const COMMANDS: [command: RegExp, role: string][] = [
  [/^gcloud (config|auth)\b/, ""], // runs on one's own machine
  [/^gcloud compute ssh\b/, "roles/iap.tunnelResourceAccessor"],
  [/^gcloud compute ssh\b/, "roles/compute.osAdminLogin"],
  [/^gcloud compute ssh\b/, "roles/iam.serviceAccountUser"], // on the account of the VM
  [/^gcloud compute (instances|instance-groups|disks|snapshots|regions)\b/, "roles/compute.instanceAdmin.v1"],
  [/^gcloud compute firewall-rules\b/, "roles/compute.securityAdmin"],
  [/^gcloud secrets versions (access|destroy|list)\b/, "roles/secretmanager.admin"],
  [/^gcloud artifacts docker images\b/, "roles/artifactregistry.admin"],
  [/^gcloud certificate-manager\b/, "roles/certificatemanager.owner"],
  [/^gcloud projects get-iam-policy\b/, "roles/iam.securityReviewer"],
  [/^pulumi\b/, "roles/storage.objectAdmin"],
  [/^pulumi\b/, "roles/cloudkms.cryptoKeyEncrypterDecrypter"],
  [/^pulumi\b/, "roles/resourcemanager.projectIamAdmin"],
];

test("people on call get the roles for the runbook, the deployer and the drift check, and no others", (t) => {
  const { run, changes } = machine(t);
  run(["my-project", "acme/odin"]);
  const roles = (lines: string[], member: RegExp) =>
    lines.flatMap((line) => {
      const role = / --role=(\S+)/.exec(line)?.[1];
      return role && member.test(line) ? [role] : [];
    });
  const accounts = roles(changes(), /--member=serviceAccount:odin-(deployer|drift)@/);
  const { code, err } = run(["my-project", "--on-call", "group:ops@example.com"]);
  assert.equal(code, 0, err);
  const made = changes();
  const theirs = roles(made, /--member=group:ops@example\.com /);
  assert.equal(theirs.length, made.length, made.join("\n"));

  const runbook = readFileSync(join(import.meta.dirname, "../../docs/runbook.md"), "utf8");
  const commands = runbook.match(/\b(?:gcloud|pulumi) [a-z][^`\n|)]*/g) ?? [];
  assert.ok(commands.length > 50, `${commands.length} commands`);
  for (const command of commands) {
    const needed = COMMANDS.filter(([pattern]) => pattern.test(command)).map(([, role]) => role);
    assert.ok(needed.length > 0, `no role is known for '${command}': add the role here and to the script`);
    for (const role of needed) assert.ok(role === "" || theirs.includes(role), `${role} for '${command}'`);
  }
  const known = new Set([...accounts, ...COMMANDS.map(([, role]) => role)]);
  assert.deepEqual(
    theirs.filter((role) => !known.has(role)),
    [],
  );
  one(made, /projectIamAdmin --condition-from-file=/);
});
