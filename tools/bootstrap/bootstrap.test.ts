import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { machine, one } from "./fake-project.fixture.ts";

test("the first run creates everything, and the second run changes nothing", (t) => {
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
  assert.ok(second.out.includes("pulumi login"), "the script must print the next steps again");
});

test("only this repository can use the accounts, and only main in the stack's environment can use the deployer", (t) => {
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
  assert.deepEqual(bindingsIn(made), [
    ["odin-deployer", "/attribute.main_environment/staging"],
    ["odin-deployer", "/attribute.main_environment/prod"],
    ["odin-previewer", "/attribute.ref/refs/heads/main"],
    ["odin-drift", "/attribute.ref/refs/heads/main"],
  ]);
});

/** The account and the token's attribute of each binding that these commands add or remove. */
function bindingsIn(lines: string[], verb = "add"): [account: string, attribute: string][] {
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

test("the preview of a branch can never read prod's secrets, in any order and any project of the stacks", (t) => {
  const branches = ["odin-previewer", "/attribute.repository/acme/odin"];
  const main = ["odin-previewer", "/attribute.ref/refs/heads/main"];
  const previewers = (lines: string[], verb?: string) =>
    bindingsIn(lines, verb).filter(([account]) => account === "odin-previewer");

  const { run, changes } = machine(t);
  run(["my-project", "acme/odin", "--stack", "staging", "--stack", "capacity"]);
  assert.deepEqual(previewers(changes()), [branches], "in a project without prod");

  assert.equal(run(["my-project", "acme/odin", "--stack", "prod-eu"]).code, 0);
  const moved = changes();
  assert.deepEqual(previewers(moved), [main], "after prod has come into the project");
  assert.deepEqual(previewers(moved, "remove"), [branches]);

  assert.equal(run(["my-project", "acme/odin", "--stack", "staging"]).code, 0);
  assert.deepEqual(changes(), [], "a later run for staging must not restore the access");
});

test("the deployer cannot make itself an owner, and the other accounts cannot change anything", (t) => {
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

test("prod in its own project may read staging's images, and only its own environment deploys it", (t) => {
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

test("without a repository nothing is created for GitHub, and another repository later changes only the provider", (t) => {
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
  assert.equal(moved.length, 1, "the bindings accept main, and the provider defines the repository");
});

test("a deleted pool is restored, because its name stays in use", (t) => {
  const { run, changes, state } = machine(t);
  run(["my-project", "acme/odin"]);
  changes();
  writeFileSync(join(state, " iam workload-identity-pools odin-github"), "state DELETED\n");
  assert.equal(run(["my-project", "acme/odin"]).code, 0);
  one(changes(), /^iam workload-identity-pools undelete odin-github/);
});

test("a failed command is named and stops the script, and the next run continues from there", (t) => {
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

test("a grant is retried while its new account is not known everywhere", (t) => {
  const { run, changes } = machine(t);
  const late = run(["my-project", "acme/odin"], { FAKE_FAILS: "roles/dns.admin", FAKE_FAILURES: "3" });
  assert.equal(late.code, 0, late.err);
  one(changes(), /roles\/dns\.admin/);
  const never = machine(t).run(["my-project", "acme/odin"], { FAKE_FAILS: "roles/dns.admin" });
  assert.equal(never.code, 1);
  assert.match(never.err, /this command failed/);
});

test("without access to the project, or without gcloud, the script stops before it creates anything", (t) => {
  const { run, changes } = machine(t);
  const { code, err } = run(["no-such-project"]);
  assert.equal(code, 1);
  assert.match(err, /cannot read the project no-such-project: .*gcloud auth login/);
  assert.deepEqual(changes(), []);
  const without = run(["my-project"], { PATH: "/nonexistent" });
  assert.notEqual(without.code, 0);
});

test("a dry run prints every command in a form that a shell accepts, and does not run gcloud", (t) => {
  const { run, changes, state } = machine(t);
  const before = readdirSync(state);
  const dry = run(["--dry-run", "my-project", "acme/odin"]);
  assert.equal(dry.code, 0, dry.err);
  assert.deepEqual(readdirSync(state), before, "gcloud must not run");
  const commands = dry.out.split("\n").filter((line) => line.startsWith("+ gcloud "));
  const real = run(["my-project", "acme/odin"]);
  assert.equal(changes().length, commands.length);
  assert.match(dry.out, /--attribute-condition=assertion\.repository\\ ==\\ \\'acme\/odin\\'/);
  assert.equal(real.code, 0);
});

test("wrong arguments are refused, and the usage is printed", (t) => {
  const { run, changes } = machine(t);
  for (const [args, message] of [
    [[], /'' is not a project id/],
    [["My_Project"], /'My_Project' is not a project id/],
    [["my-project", "acme"], /'acme' is not OWNER\/REPO/],
    [["my-project", "acme/odin' || true || 'x"], /is not OWNER\/REPO/],
    [["my-project", "acme/odin", "more"], /unexpected argument 'more'/],
    [["my-project", "--stack"], /--stack needs a value/],
    [["my-project", "--stack", "Prod!"], /--stack 'Prod!' is not the name of a stack/],
    [["my-project", "--region", "here"], /is not a region/],
    [["my-project", "--repository-id", "x"], /is not a number/],
    [["my-project", "--promote-from", "X"], /is not a project id/],
    [["my-project", "--on-call", "ops@example.com"], /'ops@example\.com' must be user:… or group:…/],
    [["my-project", "--on-call", "allUsers"], /'allUsers' must be user:/],
    [["--force", "my-project"], /unknown option '--force'/],
  ] as [string[], RegExp][]) {
    const { code, err } = run(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, message);
    assert.match(err, /tools\/bootstrap\.sh \[options\] PROJECT/);
  }
  assert.deepEqual(changes(), []);
  assert.equal(run(["--help"]).code, 0);
});
