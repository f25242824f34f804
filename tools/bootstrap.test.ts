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
  const pool =
    "principalSet://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/odin-github";
  const letIn = made.flatMap((line) => {
    const [, account, member] =
      line.match(
        /^iam service-accounts add-iam-policy-binding (\S+)@.* --member=(\S+) --role=roles\/iam\.workloadIdentityUser/,
      ) ?? [];
    return account && member ? [[account, member.replace(pool, "")]] : [];
  });
  assert.deepEqual(letIn, [
    ["odin-deployer", "/attribute.main_environment/staging"],
    ["odin-deployer", "/attribute.main_environment/prod"],
    ["odin-previewer", "/attribute.repository/acme/odin"],
    ["odin-drift", "/attribute.ref/refs/heads/main"],
  ]);
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
      assert.match(role, /[vV]iewer$|browser$|Decrypter$|securityReviewer$|secretAccessor$/, role);
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
  one(moved, /attribute\.repository\/acme\/new/);
  assert.equal(moved.length, 2);
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
  assert.equal(readdirSync(state).length, 2, "gcloud was never started");
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
