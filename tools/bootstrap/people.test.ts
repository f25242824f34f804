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
  const { code, err } = run(["my-project", "acme/odin", "--budget", "--operator", "user:me@example.com"]);
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
  run(["my-project", "acme/odin", "--budget", "--operator", "user:me@example.com"]);
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

/** Role that people on call get for the limits. */
const LIMITS = "projects/my-project/roles/odinLimits";

/**
 * The roles that each command of the runbook needs, and who has to have them. Pulumi's commands need the
 * roles of the deployer and the drift check. When a row of people on call fits, rows of operators do not
 * count.
 */
const COMMANDS: [command: RegExp, who: "everyone" | "on call" | "operator", role: string][] = [
  [/^gcloud (config|auth)\b/, "everyone", ""], // runs on one's own machine
  [/^gcloud compute start-iap-tunnel\b/, "on call", "roles/iap.tunnelResourceAccessor"],
  [/^gcloud compute instance-groups managed update-autoscaling\b/, "on call", LIMITS],
  [
    /^gcloud compute (instances|instance-groups managed|disks|snapshots|regions|firewall-rules) (list|describe|list-instances|list-errors|get-serial-port-output)\b/,
    "on call",
    "roles/compute.viewer",
  ],
  [
    /^gcloud secrets versions access latest --secret \$PREFIX-monitoring-grafana/,
    "on call",
    "roles/secretmanager.secretAccessor",
  ],
  [/^gcloud artifacts docker images (list|describe)\b/, "on call", "roles/artifactregistry.reader"],
  [/^gcloud certificate-manager certificates list\b/, "on call", "roles/certificatemanager.viewer"],
  [/^gcloud projects get-iam-policy\b/, "on call", "roles/browser"],
  [/^gcloud compute ssh\b/, "operator", "roles/iap.tunnelResourceAccessor"],
  [/^gcloud compute ssh\b/, "operator", "roles/compute.osAdminLogin"],
  [/^gcloud compute ssh\b/, "operator", "roles/iam.serviceAccountUser"], // on the account of the VM
  [
    /^gcloud compute (instances|instance-groups|disks|snapshots)\b/,
    "operator",
    "roles/compute.instanceAdmin.v1",
  ],
  [/^gcloud compute backend-services get-health\b/, "on call", "roles/compute.viewer"],
  [/^gcloud compute backend-services update-backend\b/, "operator", "roles/compute.networkAdmin"],
  [/^gcloud storage buckets get-iam-policy\b/, "operator", "roles/storage.admin"],
  [/^gcloud secrets versions (access|destroy|list)\b/, "operator", "roles/secretmanager.admin"],
  [/^pulumi\b/, "operator", "roles/storage.objectAdmin"],
  [/^pulumi\b/, "operator", "roles/cloudkms.cryptoKeyEncrypterDecrypter"],
  [/^pulumi\b/, "operator", "roles/resourcemanager.projectIamAdmin"],
];

const runbook = readFileSync(join(import.meta.dirname, "../../docs/runbook.md"), "utf8");
const commands = runbook.match(/\b(?:gcloud|pulumi) [a-z][^`\n|)]*/g) ?? [];

/** The rows of a command: those of people on call, if there are any, else those of operators. */
function needed(command: string) {
  const rows = COMMANDS.filter(([pattern]) => pattern.test(command));
  const looking = rows.filter(([, who]) => who !== "operator");
  return looking.length > 0 ? looking : rows;
}

const rolesOf = (lines: string[], member: RegExp) =>
  lines.flatMap((line) => {
    const role = / --role=(\S+)/.exec(line)?.[1];
    return role && member.test(line) ? [role] : [];
  });

test("every command of the runbook is for people on call or for operators, and they have its roles", (t) => {
  const { run, changes } = machine(t);
  const granted = (option: string) => {
    const { code, err } = run(["my-project", option, "group:ops@example.com"]);
    assert.equal(code, 0, err);
    return rolesOf(changes(), /--member=group:ops@example\.com /);
  };
  const onCall = granted("--on-call");
  const operators = [...onCall, ...granted("--operator")];
  assert.ok(commands.length > 50, `${commands.length} commands`);
  for (const command of commands) {
    const rows = needed(command);
    assert.ok(rows.length > 0, `no role is known for '${command}': add the role here and to the script`);
    for (const [, who, role] of rows)
      assert.ok(
        role === "" || (who === "on call" ? onCall : operators).includes(role),
        `${role} for '${command}'`,
      );
  }
  const used = COMMANDS.filter(([pattern]) => commands.some((command) => pattern.test(command)));
  assert.equal(used.length, COMMANDS.length, "a row that no command needs");
});

test("people on call can look and change the limits: no login on VMs, no state, one secret, four ports", (t) => {
  const { run, changes } = machine(t);
  const { code, out, err } = run(["my-project", "--on-call", "group:ops@example.com"]);
  assert.equal(code, 0, err);
  const made = changes();
  assert.deepEqual(rolesOf(made, /./).sort(), [
    LIMITS,
    "roles/artifactregistry.reader",
    "roles/browser",
    "roles/certificatemanager.viewer",
    "roles/compute.viewer",
    "roles/iap.tunnelResourceAccessor",
    "roles/monitoring.viewer",
    "roles/secretmanager.secretAccessor",
  ]);
  const role = one(made, /^iam roles create odinLimits /);
  assert.match(
    role,
    /--permissions=compute\.autoscalers\.get,compute\.autoscalers\.list,compute\.autoscalers\.update,/,
  );
  assert.doesNotMatch(role, /delete|create,|setMetadata|instances\./);
  for (const name of ["iap.tunnelResourceAccessor", "secretmanager.secretAccessor"])
    one(made, new RegExp(`--role=roles/${name} --condition-from-file=`));
  assert.match(out, /^expression: destination\.port in \[3010,9090,3100,9093\]$/m);
  assert.match(out, /endsWith\('-monitoring-grafana-admin-password'\)$/m);
  run(["my-project", "--on-call", "group:ops@example.com"]);
  assert.deepEqual(changes(), [], "a second run changes nothing");
});

test("operators get the roles of the deployer, of the drift check and of the runbook, and no others", (t) => {
  const { run, changes } = machine(t);
  run(["my-project", "acme/odin"]);
  const accounts = rolesOf(changes(), /--member=serviceAccount:odin-(deployer|drift)@/);
  const { code, err } = run(["my-project", "--operator", "group:ops@example.com"]);
  assert.equal(code, 0, err);
  const made = changes();
  const theirs = rolesOf(made, /--member=group:ops@example\.com /);
  assert.equal(theirs.length, made.length, made.join("\n"));
  const known = new Set([...accounts, ...COMMANDS.map(([, , role]) => role)]);
  assert.deepEqual(
    theirs.filter((role) => !known.has(role)),
    [],
  );
  one(made, /projectIamAdmin --condition-from-file=/);
  const { out } = run(["--dry-run", "my-project", "--operator", "group:ops@example.com"]);
  const shown = out.split("\n").filter((line) => line.includes("--member=group:ops@example.com "));
  assert.ok(shown.length >= theirs.length, out);
  assert.deepEqual(
    shown.filter((line, index) => shown.indexOf(line) !== index),
    [],
    "the commands of a dry run, which cannot see what is granted already",
  );
});
