import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fakeScript } from "./fake-machine.ts";

const SCRIPT = join(import.meta.dirname, "bootstrap.sh");
const FAKE = join(import.meta.dirname, "fake-gcloud.sh");

/** A machine with a fake gcloud, whose two projects are empty at first. */
function machine(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "odin-bootstrap-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const bin = join(root, "bin");
  fakeScript(bin, "gcloud", `exec bash "${FAKE}" "$@"`);
  const log = join(root, "log");
  const state = join(root, "state");
  mkdirSync(state);
  for (const project of ["my-project", "staging-project"])
    writeFileSync(join(state, ` projects ${project}`), "");
  writeFileSync(join(state, " billing projects my-project"), "billingAccountName billingAccounts/0A-0B-0C\n");
  writeFileSync(join(state, " billing accounts 0A-0B-0C"), "");
  return {
    state,
    /** Commands that changed something since the last look. */
    changes: () => {
      const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").filter(Boolean) : [];
      rmSync(log, { force: true });
      return lines;
    },
    run: (args: string[], env: NodeJS.ProcessEnv = {}) => {
      const fake = { FAKE_STATE: state, FAKE_LOG: log, ODIN_BOOTSTRAP_PAUSE: "0" };
      const ended = spawnSync("bash", [SCRIPT, ...args], {
        encoding: "utf8",
        env: { PATH: `${bin}:/usr/bin:/bin`, TMPDIR: root, ...fake, ...env },
      });
      return { code: ended.status, out: ended.stdout, err: ended.stderr };
    },
  };
}

const one = (lines: string[], pattern: RegExp): string => {
  const found = lines.filter((line) => pattern.test(line));
  assert.equal(found.length, 1, `${pattern} in\n${lines.join("\n")}`);
  return found[0] ?? "";
};

test("the first run makes everything, the second nothing", (t) => {
  const { run, changes } = machine(t);
  const first = run(["my-project", "acme/odin"]);
  assert.equal(first.code, 0, first.err);
  const made = changes();
  one(made, /^services enable .*cloudkms\.googleapis\.com .*sts\.googleapis\.com/);
  one(
    made,
    /^storage buckets create gs:\/\/my-project-odin-pulumi .*--uniform-bucket-level-access --public-access-prevention$/,
  );
  one(made, /^storage buckets update gs:\/\/my-project-odin-pulumi --versioning$/);
  one(made, /^kms keys create state --keyring=odin-pulumi --location=us-central1/);
  assert.equal(made.filter((line) => line.startsWith("iam service-accounts create ")).length, 3);
  for (const line of [
    "pulumi login gs://my-project-odin-pulumi",
    "pulumi stack init prod --secrets-provider=gcpkms://projects/my-project/locations/us-central1/keyRings/odin-pulumi/cryptoKeys/state",
    "gh variable set STAGING_GCP_PROJECT_NUMBER --repo acme/odin --body 123456789012",
  ])
    assert.ok(first.out.includes(`\n${line}\n`), `${line}\n${first.out}`);

  const second = run(["my-project", "acme/odin"]);
  assert.equal(second.code, 0, second.err);
  assert.deepEqual(changes(), []);
  assert.doesNotMatch(second.out, /^\+/m);
  assert.ok(second.out.includes("pulumi login"), "what to do next is told again");
});

test("who may act as whom: the deployer only main in the stack's environment, all only this repository", (t) => {
  const { run, changes } = machine(t);
  run(["my-project", "acme/odin", "--repository-id", "42"]);
  const made = changes();
  const provider = one(made, /providers create-oidc github/);
  assert.match(
    provider,
    /--attribute-condition=assertion\.repository == 'acme\/odin' && assertion\.repository_id == '42'$/,
  );
  assert.match(
    provider,
    /attribute\.main_environment=assertion\.ref == 'refs\/heads\/main' && has\(assertion\.environment\) \? assertion\.environment : 'none'/,
  );
  assert.deepEqual(letIn(made), [
    ["odin-deployer", "/attribute.main_environment/staging"],
    ["odin-deployer", "/attribute.main_environment/prod"],
    ["odin-previewer", "/attribute.ref/refs/heads/main"],
    ["odin-drift", "/attribute.ref/refs/heads/main"],
  ]);
});

/** Who is let in by these commands: the account, and the attribute of the token. */
function letIn(lines: string[], verb = "add"): [account: string, attribute: string][] {
  const pool =
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/odin-github";
  const binding = new RegExp(
    `^iam service-accounts ${verb}-iam-policy-binding (\\S+)@.* --member=(\\S+) --role=roles/iam\\.workloadIdentityUser`,
  );
  return lines.flatMap((line) => {
    const [, account, member] = binding.exec(line) ?? [];
    return account && member ? [[account, member.replace(pool, "")] as [string, string]] : [];
  });
}

test("a branch's previews never see prod's secrets, whichever stack came first and wherever it lives", (t) => {
  const branches = ["odin-previewer", "/attribute.repository/acme/odin"];
  const main = ["odin-previewer", "/attribute.ref/refs/heads/main"];
  const previewers = (lines: string[], verb?: string) =>
    letIn(lines, verb).filter(([account]) => account === "odin-previewer");

  const { run, changes } = machine(t);
  run(["my-project", "acme/odin", "--stack", "staging", "--stack", "capacity"]);
  assert.deepEqual(previewers(changes()), [branches], "a project without prod");

  assert.equal(run(["my-project", "acme/odin", "--stack", "prod-eu"]).code, 0);
  const moved = changes();
  assert.deepEqual(previewers(moved), [main], "prod comes into the project");
  assert.deepEqual(previewers(moved, "remove"), [branches]);

  assert.equal(run(["my-project", "acme/odin", "--stack", "staging"]).code, 0);
  assert.deepEqual(changes(), [], "a later run for staging does not open it again");
});

test("what they may do: the deployer cannot make itself an owner, the others change nothing", (t) => {
  const { run, changes } = machine(t);
  const { out } = run(["my-project", "acme/odin"]);
  const grants = changes().flatMap((line) => {
    const [, what, account, role] =
      line.match(/^(projects|storage|kms) .*--member=serviceAccount:([\w-]+)@my-project.* --role=(\S+)/) ??
      [];
    return what && account && role ? [{ account, role, line }] : [];
  });
  const of = (name: string) => grants.filter(({ account }) => account === name).map(({ role }) => role);
  for (const role of of("odin-deployer"))
    assert.doesNotMatch(role, /^roles\/(owner|editor|iam\.securityAdmin)$/);
  const granting = grants.filter(({ role }) => role === "roles/resourcemanager.projectIamAdmin");
  assert.equal(granting.length, 1);
  assert.match(granting[0]?.line ?? "", /--condition-from-file=/);
  assert.match(
    out,
    /modifiedGrantsByRole', \[\]\)\.hasOnly\(\['roles\/compute\.viewer','roles\/logging\.logWriter','roles\/monitoring\.metricWriter'\]\)/,
  );
  for (const name of ["odin-previewer", "odin-drift"])
    for (const role of of(name))
      assert.match(
        role,
        /[vV]iewer$|browser$|Decrypter$|securityReviewer$|secretAccessor$|serviceUsageConsumer$/,
        role,
      );
  assert.ok(!of("odin-previewer").includes("roles/secretmanager.secretAccessor"));
});

test("prod in a project of its own may read staging's images, and only its own environment deploys it", (t) => {
  const { run, changes } = machine(t);
  const { code, err } = run([
    "my-project",
    "acme/odin",
    "--stack",
    "prod",
    "--promote-from",
    "staging-project",
    "--region",
    "europe-west4",
  ]);
  assert.equal(code, 0, err);
  const made = changes();
  one(
    made,
    /^projects add-iam-policy-binding staging-project .*odin-deployer@my-project.* --role=roles\/artifactregistry\.reader/,
  );
  one(made, /attribute\.main_environment\/prod/);
  assert.ok(!made.some((line) => line.includes("/staging ")));
  one(made, /^kms keyrings create odin-pulumi --location=europe-west4/);
});

test("without a repository there is nothing for GitHub; with another one later only its own is added", (t) => {
  const { run, changes } = machine(t);
  const { code, out } = run(["my-project"]);
  assert.equal(code, 0);
  assert.ok(
    !changes().some((line) => line.includes("service-accounts") || line.includes("workload-identity")),
  );
  assert.doesNotMatch(out, /\bgh /);
  run(["my-project", "acme/old"]);
  changes();
  run(["my-project", "acme/new"]);
  const moved = changes();
  one(moved, /providers update-oidc github .*assertion\.repository == 'acme\/new'$/);
  assert.equal(moved.length, 1, "the accounts let in main, and the provider says whose");
});

test("a deleted pool is brought back: its name stays taken", (t) => {
  const { run, changes, state } = machine(t);
  run(["my-project", "acme/odin"]);
  changes();
  writeFileSync(join(state, " iam workload-identity-pools odin-github"), "state DELETED\n");
  assert.equal(run(["my-project", "acme/odin"]).code, 0);
  one(changes(), /^iam workload-identity-pools undelete odin-github/);
});

test("a command that fails ends it, is named, and the next run goes on from there", (t) => {
  const { run, changes } = machine(t);
  const { code, err, out } = run(["my-project", "acme/odin"], { FAKE_FAILS: "kms keys create" });
  assert.equal(code, 1);
  assert.match(err, /PERMISSION_DENIED/);
  assert.match(
    err,
    /bootstrap: this command failed, and nothing after it was done[\s\S]*\n {2}gcloud kms keys create state/,
  );
  assert.doesNotMatch(out, /pulumi login/);
  assert.ok(changes().length > 0);
  assert.equal(run(["my-project", "acme/odin"]).code, 0);
  assert.ok(!changes().some((line) => line.startsWith("storage buckets create")));
});

test("a grant waits for an account that is not known everywhere yet", (t) => {
  const { run, changes } = machine(t);
  const late = run(["my-project", "acme/odin"], { FAKE_FAILS: "roles/dns.admin", FAKE_FAILURES: "3" });
  assert.equal(late.code, 0, late.err);
  one(changes(), /roles\/dns\.admin/);
  const never = machine(t).run(["my-project", "acme/odin"], { FAKE_FAILS: "roles/dns.admin" });
  assert.equal(never.code, 1);
  assert.match(never.err, /this command failed/);
});

test("a project that cannot be seen, or no gcloud, stops it before anything is made", (t) => {
  const { run, changes } = machine(t);
  const { code, err } = run(["no-such-project"]);
  assert.equal(code, 1);
  assert.match(err, /cannot see the project no-such-project: .*gcloud auth login/);
  assert.deepEqual(changes(), []);
  const without = run(["my-project"], { PATH: "/nonexistent" });
  assert.notEqual(without.code, 0);
});

test("a dry run prints every command, as it could be typed, and asks gcloud nothing", (t) => {
  const { run, changes, state } = machine(t);
  const dry = run(["--dry-run", "my-project", "acme/odin"]);
  assert.equal(dry.code, 0, dry.err);
  assert.equal(readdirSync(state).length, 4, "gcloud was never started");
  const commands = dry.out.split("\n").filter((line) => line.startsWith("+ gcloud "));
  const real = run(["my-project", "acme/odin"]);
  assert.equal(changes().length, commands.length);
  assert.match(dry.out, /--attribute-condition=assertion\.repository\\ ==\\ \\'acme\/odin\\'/);
  assert.equal(real.code, 0);
});

test("wrong arguments are refused, with how it is used", (t) => {
  const { run, changes } = machine(t);
  for (const [args, message] of [
    [[], /'' is no project id/],
    [["My_Project"], /'My_Project' is no project id/],
    [["my-project", "acme"], /'acme' is no OWNER\/REPO/],
    [["my-project", "acme/odin' || true || 'x"], /is no OWNER\/REPO/],
    [["my-project", "acme/odin", "more"], /'more' is too much/],
    [["my-project", "--stack"], /--stack needs a value/],
    [["my-project", "--stack", "Prod!"], /--stack 'Prod!' is no stack's name/],
    [["my-project", "--region", "here"], /is no region/],
    [["my-project", "--repository-id", "x"], /is no number/],
    [["my-project", "--promote-from", "X"], /is no project id/],
    [["my-project", "--on-call", "ops@example.com"], /'ops@example\.com' is no user:… or group:…/],
    [["my-project", "--on-call", "allUsers"], /'allUsers' is no user:/],
    [["--force", "my-project"], /no option '--force' here/],
  ] as [string[], RegExp][]) {
    const { code, err } = run(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, message);
    assert.match(err, /tools\/bootstrap\.sh \[options\] PROJECT/);
  }
  assert.deepEqual(changes(), []);
  assert.equal(run(["--help"]).code, 0);
});

test("a budget's roles are on the billing account, and only when they are asked for", (t) => {
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

test("a budget of a project that nobody pays for", (t) => {
  const { run, state } = machine(t);
  writeFileSync(join(state, " billing projects my-project"), "");
  const { code, err } = run(["my-project", "acme/odin", "--budget"]);
  assert.equal(code, 1);
  assert.match(err, /my-project has no billing account: gcloud billing projects link/);
});

test("the default account's rights are told, not taken", (t) => {
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

/** Which role lets people type a command of the runbook; what the commands of Pulumi need is what the deployer and the comparison have. */
const COMMANDS: [command: RegExp, role: string][] = [
  [/^gcloud (config|auth)\b/, ""], // on one's own machine
  [/^gcloud compute ssh\b/, "roles/iap.tunnelResourceAccessor"],
  [/^gcloud compute ssh\b/, "roles/compute.osAdminLogin"],
  [/^gcloud compute ssh\b/, "roles/iam.serviceAccountUser"], // of the account that the VM runs as
  [/^gcloud compute (instances|instance-groups|disks|snapshots|regions)\b/, "roles/compute.instanceAdmin.v1"],
  [/^gcloud compute firewall-rules\b/, "roles/compute.securityAdmin"],
  [/^gcloud secrets versions (access|destroy)\b/, "roles/secretmanager.admin"],
  [/^gcloud artifacts docker images\b/, "roles/artifactregistry.admin"],
  [/^gcloud certificate-manager\b/, "roles/certificatemanager.owner"],
  [/^gcloud projects get-iam-policy\b/, "roles/iam.securityReviewer"],
  [/^pulumi\b/, "roles/storage.objectAdmin"],
  [/^pulumi\b/, "roles/cloudkms.cryptoKeyEncrypterDecrypter"],
  [/^pulumi\b/, "roles/resourcemanager.projectIamAdmin"],
];

test("people on call may do what the runbook says, as the deployer and the comparison may, and not more", (t) => {
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

  const runbook = readFileSync(join(import.meta.dirname, "../docs/runbook.md"), "utf8");
  const commands = runbook.match(/\b(?:gcloud|pulumi) [a-z][^`\n|)]*/g) ?? [];
  assert.ok(commands.length > 50, `${commands.length} commands`);
  for (const command of commands) {
    const needed = COMMANDS.filter(([pattern]) => pattern.test(command)).map(([, role]) => role);
    assert.ok(needed.length > 0, `which role lets people type '${command}'? Add it here and to the script`);
    for (const role of needed) assert.ok(role === "" || theirs.includes(role), `${role} for '${command}'`);
  }
  const known = new Set([...accounts, ...COMMANDS.map(([, role]) => role)]);
  assert.deepEqual(
    theirs.filter((role) => !known.has(role)),
    [],
  );
  one(made, /projectIamAdmin --condition-from-file=/);
});
