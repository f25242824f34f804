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
import { join, relative } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { record } from "@odin-ws/infra";
import program from "../index.ts";
import { repositoryFolder } from "../preview/record-stack.ts";
import { readStack, stackNames } from "../preview/stack-config.ts";
import { readRenderOptions, render, renderStack } from "./render.ts";

const OBJECT = "gcp:storage/bucketObject:BucketObject";
const CLI = fileURLToPath(new URL("./cli.ts", import.meta.url));

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "odin-render-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Content by path of everything below a folder. */
function filesIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(folder, file), readFileSync(file, "utf8")]),
  );
}

/** The objects that a stack's program puts into its bucket. */
async function bucketOf(folder: string, stack: string): Promise<Record<string, string>> {
  const { project, config, secretKeys } = readStack(folder, stack);
  const { all } = await record(() => program(), { project, stack, config, secretKeys });
  return Object.fromEntries(all(OBJECT).map(({ inputs }) => [String(inputs.name), String(inputs.content)]));
}

/** A copy of the stacks' files, with lines added to one of them. */
function changedStacks(t: TestContext, stack: string, lines: string): string {
  const folder = temporaryFolder(t);
  for (const name of [
    "Pulumi.yaml",
    ...stackNames(repositoryFolder).map((known) => `Pulumi.${known}.yaml`),
  ]) {
    const text = readFileSync(join(repositoryFolder, name), "utf8");
    writeFileSync(join(folder, name), name === `Pulumi.${stack}.yaml` ? `${text.trimEnd()}\n${lines}` : text);
  }
  return folder;
}

for (const stack of stackNames(repositoryFolder)) {
  test(`the bucket of ${stack} has exactly the rendered files`, async (t) => {
    const out = temporaryFolder(t);
    render({ stack, out }, repositoryFolder);
    const rendered = filesIn(out);
    assert.ok(Object.keys(rendered).length > 12);
    assert.deepEqual(rendered, await bucketOf(repositoryFolder, stack));
  });
}

test("the bucket has the rendered files with a TLS entrance, all receivers, a runbook and own limits, too", async (t) => {
  const folder = changedStacks(
    t,
    "staging",
    `  odin-ws:domain: live.example.com
  odin-ws:alertWebhook: https://alerts.example.com/secret-part
  odin-ws:alertPagerduty: 0123456789secretpart0123456789ab
  odin-ws:alertSlack: https://hooks.slack.com/services/secret-part
  odin-ws:runbookUrl: https://example.com/blob/main/docs/runbook.md
  odin-ws:gateway: { WS_MAX_CONNECTIONS: 9876, WS_MEMORY_LIMIT: 1000000000 }
`,
  );
  const { files } = renderStack("staging", folder);
  assert.deepEqual(files, await bucketOf(folder, "staging"));
  assert.match(files["prometheus/rules/recording.yml"] ?? "", /\* 9876$/m);
  assert.match(files["prometheus/rules/recording.yml"] ?? "", /\/ 1000000000$/m);
  assert.match(files["prometheus/prometheus.yml"] ?? "", /live\.example\.com:443/);
  for (const line of [
    /^ +- send_resolved: true\n +url_file: \/run\/odin\/secrets\/alertmanager-webhook$/m,
    /^ +routing_key_file: \/run\/odin\/secrets\/alertmanager-pagerduty$/m,
    /^ +api_url_file: \/run\/odin\/secrets\/alertmanager-slack$/m,
  ])
    assert.match(files["alertmanager/alertmanager.yml"] ?? "", line);
  for (const [path, content] of Object.entries(files)) assert.doesNotMatch(content, /secret-?part/, path);
});

test("with runbookUrl all links to the runbook in alerts and dashboards are complete URLs", (t) => {
  const url = "https://example.com/blob/main/docs/runbook.md";
  const folder = changedStacks(t, "staging", `  odin-ws:runbookUrl: ${url}\n`);
  const { files } = renderStack("staging", folder);
  const links = (path: string, pattern: RegExp) =>
    [...(files[path] ?? "").matchAll(pattern)].map(([, link = ""]) => link);
  const alerts = links("prometheus/rules/alerts.yml", /^ +runbook_url: (.*)$/gm);
  assert.ok(alerts.length > 20, `${alerts.length} alerts`);
  for (const link of alerts)
    assert.match(link, /^https:\/\/example\.com\/blob\/main\/docs\/runbook\.md#[a-z-]+$/);
  const dashboards = Object.keys(files).filter((path) => path.startsWith("grafana/dashboards/"));
  for (const path of dashboards) assert.ok((files[path] ?? "").includes(`"${url}"`), path);
  // The bare path is left nowhere.
  for (const [path, content] of Object.entries(files))
    assert.doesNotMatch(content, /(?<!blob\/main\/)docs\/runbook\.md/, path);
});

test("no file has a limit of the autoscaler", (t) => {
  const limits = `  odin-ws:cpuTarget: 33
  odin-ws:connectionsTarget: 4321
  odin-ws:scaleInMinutes: 17
`;
  const before = renderStack("staging", repositoryFolder);
  const folder = changedStacks(t, "staging", limits);
  const path = join(folder, "Pulumi.staging.yaml");
  writeFileSync(
    path,
    readFileSync(path, "utf8")
      .replace(/minInstances: \d+/, "minInstances: 3")
      .replace(/maxInstances: \d+/, "maxInstances: 77"),
  );
  assert.equal(readStack(folder, "staging").config["odin-ws:maxInstances"], "77");
  assert.deepEqual(renderStack("staging", folder), before);
});

test("two runs write the same files, and each takes less than two seconds", (t) => {
  const out = temporaryFolder(t);
  const begin = performance.now();
  render({ stack: "prod", out }, repositoryFolder);
  const time = performance.now() - begin;
  const first = filesIn(out);
  render({ stack: "prod", out }, repositoryFolder);
  assert.deepEqual(filesIn(out), first);
  assert.ok(time < 2000, `${time} ms`);
});

test("for a laptop both folders that its containers mount are created, and only in the default place", (t) => {
  const folder = changedStacks(t, "staging", "");
  const made = () => readdirSync(join(folder, "build", "monitoring")).sort();
  render({ stack: "staging", out: undefined }, folder);
  assert.deepEqual(made(), ["staging"]);
  render({ stack: "local", out: undefined }, folder);
  render({ stack: "local", out: undefined }, folder);
  assert.deepEqual(made(), ["local", "logs", "staging"]);
  const out = join(temporaryFolder(t), "files");
  render({ stack: "local", out }, folder);
  assert.deepEqual(readdirSync(join(out, "..")), ["files"]);
});

test("files of an earlier run that are no longer rendered are removed, and no other files", (t) => {
  const out = temporaryFolder(t);
  render({ stack: "staging", out }, repositoryFolder);
  writeFileSync(join(out, "notes.txt"), "mine");
  render({ stack: "local", out }, repositoryFolder);
  const { files } = renderStack("local", repositoryFolder);
  assert.deepEqual(filesIn(out), { ...files, "notes.txt": "mine" });
  const other = temporaryFolder(t);
  mkdirSync(join(other, "src"));
  assert.throws(
    () => render({ stack: "staging", out: other }, repositoryFolder),
    /holds files that were not rendered/,
  );
  assert.deepEqual(readdirSync(other), ["src"]);
});

test("the command line", (t) => {
  const read = (...args: string[]) => readRenderOptions(args, ["prod", "staging"]);
  assert.deepEqual(read("--stack", "prod"), { stack: "prod", out: undefined });
  assert.deepEqual(read("--stack", "local", "--out", "x"), { stack: "local", out: "x" });
  assert.equal(read("--help"), "help");
  assert.deepEqual(read("--out", ""), {
    mistakes: ["--out needs a value", "--stack is missing: it must be one of prod, staging, local"],
  });
  assert.deepEqual(read("--stack", "qa"), {
    mistakes: ['--stack must be one of prod, staging, local, not "qa"'],
  });
  assert.match(JSON.stringify(read("--stak", "prod")), /--stak is not an option/);

  const out = join(temporaryFolder(t), "new");
  const run = spawnSync(process.execPath, [CLI, "--stack", "staging", "--out", out], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /prometheus\.yml$/m);
  assert.ok(existsSync(join(out, "manifest")));
});
