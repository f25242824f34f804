/**
 * Compares the commands that README.md gives for the first `pulumi up` with those that the scripts accept.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const [, deploy = ""] = read("README.md").split("## Deploy on Google Cloud\n");
const section = deploy.split(/^## /m)[0] ?? "";
const blocks = [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block = ""]) =>
  block
    .split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter(Boolean),
);
/** The commands from a new checkout to the first deployment. */
const first = blocks.find((lines) => lines.some((line) => line.startsWith("pulumi stack init"))) ?? [];
const withIds = (line: string) =>
  line
    .replaceAll("MY_STAGING_PROJECT", "my-staging")
    .replaceAll("MY_PROJECT", "my-project")
    .replaceAll("OWNER/REPOSITORY", "acme/odin");

function bootstrap(line: string): string {
  const args = withIds(line).split(" ").slice(1);
  const { status, stdout, stderr } = spawnSync(
    "bash",
    [join(ROOT, "tools/bootstrap.sh"), "--dry-run", ...args],
    {
      encoding: "utf8",
    },
  );
  assert.equal(status, 0, `${line}\n${stderr}`);
  return stdout;
}

test("README has the next commands that the script prints, in the same order", () => {
  const script = first.findIndex((line) => line.startsWith("tools/bootstrap.sh "));
  const printed = bootstrap(first[script] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("pulumi "));
  assert.equal(printed.length, 3);
  const rest = first.slice(script).map(withIds);
  assert.deepEqual(
    rest.filter((line) => printed.includes(line)),
    printed,
    rest.join("\n"),
  );
});

test("README installs packages first, then logs in, and commits the configuration at the end", () => {
  assert.equal(first[0], "npm ci");
  const place = (start: string) => {
    const found = first.findIndex((line) => line.startsWith(start));
    assert.ok(found >= 0, start);
    return found;
  };
  const order = [
    "gcloud auth login",
    "tools/",
    "gcloud auth configure-docker",
    "pulumi login",
    "pulumi stack init",
  ];
  const places = [...order, "pulumi up", "git add Pulumi.prod.yaml && git commit"].map(place);
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
});

test("README sets only keys that exist, among them the receiver of alerts", () => {
  const keys = blocks
    .flat()
    .flatMap((line) => [...line.matchAll(/pulumi config set (?:--secret )?(\S+)/g)])
    .map(([, key = ""]) => key);
  const known = [...read("Pulumi.yaml").matchAll(/^ {2}([\w:]+):$/gm)].map(([, key]) => key);
  for (const key of keys) assert.ok(key === "gcp:project" || known.includes(key), key);
  assert.ok(keys.includes("alertEmail") && keys.includes("jwtSecret"));
});

test("the script accepts every call that README shows", () => {
  const calls = [...section.matchAll(/tools\/bootstrap\.sh [^`\n#]+/g)].map(([call]) => call.trim());
  assert.ok(calls.length >= 4, calls.join("\n"));
  for (const call of calls) bootstrap(call);
});
