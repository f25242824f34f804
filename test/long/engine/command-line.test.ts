/**
 * The program as the `pulumi` command runs it: package.json's `main` in its own process, with sources that
 * change.
 */

import assert from "node:assert/strict";
import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, beforeEach, describe, test } from "node:test";
import { withoutEngine } from "../../engine/engine.ts";
import {
  assertInOrder,
  inWords,
  type RepositoryStack,
  repositoryStack,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { copyWorkspace } from "../../engine/workspace-copy.ts";
import { suiteOwner } from "../../harness/owner.ts";

const VERSIONED = [
  "create InstanceTemplate gateway-template",
  "update RegionInstanceGroupManager gateway-group",
];

/** A module that changes the content of one monitoring file. */
const MONITORING = `
import { monitoringFiles as filesBefore } from "./index-before.ts";
export * from "./index-before.ts";
export function monitoringFiles(args) {
  const files = filesBefore(args);
  return { ...files, "prometheus/prometheus.yml": files["prometheus/prometheus.yml"] + "\\n# changed\\n" };
}
`;

describe("command line", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  let folder: string;
  let staging: RepositoryStack;
  before(async () => {
    folder = await copyWorkspace(owner);
    staging = await repositoryStack(owner, "staging", { serverImage: "build" }, { program: { folder } });
  });
  beforeEach(() => {
    staging.cloud.takeOperations();
  });

  const settings = () => readFile(join(staging.stack.folder, "Pulumi.staging.yaml"), "utf8");

  test("a wrong value is reported with its key before anything is created", async () => {
    const { stack, cloud } = staging;
    await stack.configure({ minInstances: "9" });
    const run = await stack.run("up", "--yes");
    assert.notEqual(run.exitCode, 0);
    assert.match(run.output, /minInstances is 9: at most maxInstances, which is 2/);
    assert.doesNotMatch(run.output, /node:internal|\.ts:\d+/, "no stack trace");
    assert.deepEqual(cloud.operations, []);
    await stack.configure({ minInstances: "1" });
  });

  test("up uses the defaults of Pulumi.yaml", async () => {
    const { stack, cloud } = staging;
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    assert.match(
      JSON.stringify(cloud.one("command:local:Command", "gateway-image-build").inputs.environment),
      /"IMAGE":"[^"]*\/gateway:[0-9a-f]{12}"/,
    );
    const again = await stack.preview("--expect-no-changes");
    assert.deepEqual([again.exitCode, again.steps], [0, []]);
    assert.match(await stack.pulumi("stack", "output", "url"), /^ws:\/\/[\d.]+:3004\/ws$/m);
  });

  test("a changed source of the gateway causes a new image and a rollout", async () => {
    const { stack, cloud } = staging;
    const before = cloud.one(TEMPLATE).inputs.metadata as Record<string, string>;
    await appendFile(join(folder, "server/src/main.ts"), "\n// another version\n");
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const done = inWords(cloud.takeOperations());
    assertInOrder(done, [
      "update Command gateway-image-build",
      ...VERSIONED,
      "update Command gateway-rollout",
      "create Command rollout-test",
    ]);
    assertInOrder(done, [VERSIONED[1] ?? "", "delete InstanceTemplate gateway-template"]);
    assert.equal(done.length, 7, done.join("\n"));
    const after = cloud.one(TEMPLATE).inputs.metadata as Record<string, string>;
    const changed = Object.keys({ ...before, ...after }).filter((key) => before[key] !== after[key]);
    assert.deepEqual(changed.sort(), ["odin-image-gateway", "odin-revision"]);
  });

  test("a changed file that is not part of the image causes no change", async () => {
    await appendFile(join(folder, "server/src/main.test.ts"), "\n// a test\n");
    const { exitCode, steps } = await staging.stack.preview("--expect-no-changes");
    assert.deepEqual([exitCode, steps], [0, []]);
  });

  test("a changed monitoring file changes its object in the bucket, and no VM", async () => {
    const { stack, cloud } = staging;
    const bucketObject = "gcp:storage/bucketObject:BucketObject";
    await rename(join(folder, "monitoring/index.ts"), join(folder, "monitoring/index-before.ts"));
    await writeFile(join(folder, "monitoring/index.ts"), MONITORING);
    const run = await stack.up();
    assert.equal(run.exitCode, 0, run.output);
    const operations = cloud.takeOperations();
    assert.ok(operations.length >= 2, "the file and the manifest");
    assert.deepEqual(
      operations.filter(({ type }) => type !== bucketObject),
      [],
    );
    assert.ok(operations.some(({ name }) => name.endsWith("-manifest")));
  });

  test("`pulumi config set` changes one line of the file", async () => {
    const { stack } = staging;
    const before = (await settings()).split("\n");
    await stack.pulumi("config", "set", "maxInstances", "8");
    const after = (await settings()).split("\n");
    assert.equal(after.length, before.length);
    const changed = after.flatMap((line, index) => (line === before[index] ? [] : [line.trim()]));
    assert.equal(changed.length, 1, changed.join("\n"));
    assert.match(changed[0] ?? "", /^odin-ws:maxInstances: "?8"?$/);
  });
});
