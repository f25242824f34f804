import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { findProgram, howToGet } from "../programs/programs.ts";
import { PROGRAMS } from "../programs/table.ts";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const files = globSync(".github/{workflows,actions/*}/*.yml", { cwd: ROOT }).sort();
const workflows = files.filter((file) => file.includes("/workflows/"));
const manifest = JSON.parse(read("package.json")) as { devDependencies: Record<string, string> };

/** The name and the text of each job of a workflow. */
function jobs(file: string): [name: string, text: string][] {
  const parts = (read(file).split(/^jobs:\n/m)[1] ?? "").split(/^ {2}([\w-]+):\n/m);
  return parts.slice(1).flatMap((part, index) => (index % 2 === 0 ? [[part, parts[index + 2] ?? ""]] : []));
}

test("the repository has the expected workflows and jobs", () => {
  assert.deepEqual(
    workflows.map((file) => [file.split("/").at(-1), jobs(file).map(([name]) => name)]),
    [
      ["ci.yml", ["test"]],
      ["deploy.yml", ["test", "staging", "plan", "prod"]],
      ["drift.yml", ["drift", "report"]],
      ["outdated.yml", ["ask", "report"]],
      ["preview.yml", ["offline", "online", "comment"]],
    ],
  );
  assert.equal(files.length, workflows.length + 1);
});

const actionlint = findProgram("actionlint");
const shellcheck = findProgram("shellcheck");

test("actionlint finds no mistake in the workflows", {
  skip: actionlint === undefined && howToGet("actionlint"),
}, () => {
  const run = spawnSync(actionlint ?? "", [`-shellcheck=${shellcheck ?? ""}`, ...workflows], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.deepEqual([run.status, run.stdout + run.stderr], [0, ""]);
});

test("shellcheck finds no mistake in the scripts", {
  skip: shellcheck === undefined && howToGet("shellcheck"),
}, () => {
  const scripts = globSync("tools/**/*.sh", { cwd: ROOT });
  assert.ok(scripts.length >= 8);
  const run = spawnSync(shellcheck ?? "", ["--external-sources", ...scripts], {
    cwd: ROOT,
    encoding: "utf8",
  });
  assert.deepEqual([run.status, run.stdout], [0, ""]);
});

for (const file of files) {
  describe(file, () => {
    const text = read(file);
    const uses = [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, what = ""]) => what);

    test("every action is pinned by its commit, with the version in a comment", () => {
      assert.ok(uses.length > 0);
      for (const what of uses)
        assert.match(what, /^(\.\/\S+|[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$/, what);
    });

    test("no script contains an expression of GitHub, whose value others may write", () => {
      // GitHub pastes a value of `${{ }}` into the script before the shell reads the script, so the value
      // could contain commands. Values must come through `env`.
      for (const line of shellLines(text)) assert.doesNotMatch(line, /\$\{\{/, line);
    });

    test("no trigger runs the code of strangers with the credentials of this repository", () => {
      assert.doesNotMatch(text, /pull_request_target|workflow_run|issue_comment/);
      assert.doesNotMatch(text, /secrets\.|credentials_json/, "workflows must not use long-lived keys");
    });

    test("the versions of Node and Pulumi are those of the repository", () => {
      const pulumi = PROGRAMS.find(({ name }) => name === "pulumi")?.version;
      for (const [, version] of text.matchAll(/node-version: (.*)/g))
        assert.equal(version, manifest.devDependencies.node);
      for (const [, version] of text.matchAll(/pulumi-version: (.*)/g)) assert.equal(version, pulumi);
    });
  });
}

for (const file of workflows) {
  test(`${file}: jobs have only their own permissions, checkouts keep no token, and every job has a timeout`, () => {
    const text = read(file);
    assert.match(text, /^permissions: \{\}$/m);
    // `shell: bash` sets pipefail. Without pipefail, a failed command before a pipe counts as a success.
    assert.match(text, /^defaults:\n {2}run:\n {4}shell: bash\b/m);
    for (const [name, job] of jobs(file)) {
      assert.match(job, /^ {4}permissions:\n {6}\w/m, name);
      if (!/^ {4}uses: /m.test(job)) assert.match(job, /^ {4}timeout-minutes: \d+$/m, name);
    }
    const checkouts = text.match(/uses: actions\/checkout@/g)?.length ?? 0;
    assert.equal(text.match(/persist-credentials: false/g)?.length ?? 0, checkouts);
  });
}

test("only jobs that use the cloud get an identity, and only jobs that write get write permissions", () => {
  const all = workflows.flatMap((file) =>
    jobs(file).map(([name, text]) => ({ name: `${file.split("/").at(-1)} ${name}`, text })),
  );
  const having = (what: RegExp) => all.filter(({ text }) => what.test(text)).map(({ name }) => name);
  const cloud = [
    "deploy.yml staging",
    "deploy.yml plan",
    "deploy.yml prod",
    "drift.yml drift",
    "preview.yml online",
  ];
  assert.deepEqual(having(/id-token: write/), cloud.toSpliced(4, 0, "outdated.yml ask"));
  assert.deepEqual(having(/uses: \.\/\.github\/actions\/pulumi/), cloud);
  assert.deepEqual(having(/pull-requests: write/), ["preview.yml comment"]);
  assert.deepEqual(having(/issues: write/), ["drift.yml report", "outdated.yml report"]);
  assert.deepEqual(having(/contents: write/), []);
  assert.deepEqual(having(/account: odin-deployer/), ["deploy.yml staging", "deploy.yml prod"]);
  assert.deepEqual(having(/environment: (staging|prod)\b/), ["deploy.yml staging", "deploy.yml prod"]);
});

test("a pull request previews both stacks and reads nothing of prod outside the repository", () => {
  const text = read(".github/workflows/preview.yml");
  const {
    offline = "",
    online = "",
    comment = "",
  } = Object.fromEntries(jobs(".github/workflows/preview.yml"));
  assert.match(offline, /stack: \[staging, prod\]/);
  assert.match(offline, /preview-offline\.sh "\$STACK" build\/base/);
  assert.doesNotMatch(text.replaceAll(/^#.*$/gm, ""), /PROD_GCP_PROJECT_NUMBER/);
  assert.doesNotMatch(text, /--stack prod/);
  // When both stacks are in one project, staging's previewer could read prod's state. For such a project,
  // tools/bootstrap.sh also lets only jobs of main act as the previewer.
  assert.match(online, /vars\.STAGING_GCP_PROJECT != vars\.PROD_GCP_PROJECT/);
  assert.match(online, /head\.repo\.full_name == github\.repository/);
  assert.match(comment, /needs: \[offline, online\]\n/);
  const plan = Object.fromEntries(jobs(".github/workflows/deploy.yml")).plan ?? "";
  assert.match(plan, /account: odin-previewer[\s\S]*pulumi preview --stack prod/);
  assert.match(read(".github/workflows/deploy.yml"), /^on:\n {2}push:\n {4}branches: \[main\]\n/m);
});

test("staging builds its image, and the nightly comparison keeps the image that runs", () => {
  const drift = read(".github/workflows/drift.yml");
  assert.match(drift, /--expect-no-changes/);
  assert.doesNotMatch(drift, /config set/);
  assert.match(
    read(".github/workflows/preview.yml"),
    /config set serverImage build --stack staging.*\n\s*pulumi preview --stack staging/,
  );
  const { staging = "" } = Object.fromEntries(jobs(".github/workflows/deploy.yml"));
  assert.match(staging, /config set serverImage build --stack staging\n\s*pulumi up --stack staging/);
});

test("an update is never cancelled, and prod gets the image that staging has run", () => {
  const deploy = Object.fromEntries(jobs(".github/workflows/deploy.yml"));
  for (const name of ["staging", "prod"])
    assert.match(
      deploy[name] ?? "",
      /concurrency:\n {6}group: deploy-\w+\n {6}cancel-in-progress: false/,
      name,
    );
  assert.match(deploy.prod ?? "", /needs: \[staging, plan\]/);
  assert.match(
    deploy.prod ?? "",
    /promote-image\.sh "\$STAGING_IMAGE" prod[\s\S]*config set serverImage "\$image"[\s\S]*pulumi up/,
  );
  assert.match(deploy.prod ?? "", /STAGING_IMAGE: \$\{\{ needs\.staging\.outputs\.image \}\}/);
});

/** The lines of all `run:` scripts in a workflow. */
function shellLines(text: string): string[] {
  const found: string[] = [];
  let inside = -1; // indentation of the current `run: |`, -1 outside such a block
  for (const line of text.split("\n")) {
    const indent = line.search(/\S/);
    if (inside >= 0 && (indent > inside || indent < 0)) found.push(line);
    else inside = -1;
    const [, lead = "", script = ""] = line.match(/^(\s*(?:- )?)run: (.*)$/) ?? [];
    if (script === "|") inside = lead.length;
    else if (script !== "") found.push(script);
  }
  assert.ok(found.length > 0);
  return found;
}

test("Dependabot covers every folder with pinned versions", () => {
  const text = read(".github/dependabot.yml");
  const { updates } = parse(text) as {
    updates: { "package-ecosystem": string; directory?: string; directories?: string[] }[];
  };
  const of = (ecosystem: string) =>
    updates
      .filter((update) => update["package-ecosystem"] === ecosystem)
      .flatMap(({ directory, directories = [] }) => [...(directory ? [directory] : []), ...directories])
      .sort();
  const folders = (pattern: string) =>
    globSync(pattern, { cwd: ROOT, exclude: ["node_modules/**", "build/**"] })
      .map((file) => `/${file.split("/").slice(0, -1).join("/")}`)
      .sort();
  assert.deepEqual(of("npm"), ["/"]); // all workspaces share one lockfile
  assert.deepEqual(of("github-actions"), ["/", ...folders(".github/actions/*/action.yml")]);
  assert.deepEqual(of("docker"), folders("*/Dockerfile"));
  assert.deepEqual(of("gomod"), folders("tools/modules/*/go.mod"));
});
