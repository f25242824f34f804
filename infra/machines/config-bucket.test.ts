import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { ConfigBucket, type ConfigBucketArgs } from "./config-bucket.ts";

const OBJECT = "gcp:storage/bucketObject:BucketObject";
const args: ConfigBucketArgs = {
  site: testSite,
  files: { "prometheus/prometheus.yml": "global: {}\n", "loki/loki.yml": pulumi.output("auth: false\n") },
  readers: { gateway: "serviceAccount:gateway@test" },
};

const create = (changes: Partial<ConfigBucketArgs> = {}) =>
  record(() => new ConfigBucket("config", { ...args, ...changes }));

test("a private bucket that keeps old versions, and leaves nothing behind when it is deleted", async () => {
  const { one, result } = await create();
  assert.deepEqual(one("gcp:storage/bucket:Bucket").inputs, {
    name: "test-project-odin-test-config",
    project: "test-project",
    location: "US-CENTRAL1",
    storageClass: "STANDARD",
    labels: { app: "odin-ws", stack: "test", role: "config" },
    uniformBucketLevelAccess: true,
    publicAccessPrevention: "enforced",
    versioning: { enabled: true },
    lifecycleRules: [
      { action: { type: "Delete" }, condition: { numNewerVersions: 10, withState: "ARCHIVED" } },
    ],
    softDeletePolicy: { retentionDurationSeconds: 0 },
    forceDestroy: true,
  });
  assert.equal(result.bucket, "test-project-odin-test-config");
  assert.deepEqual(one("gcp:storage/bucketIAMMember:BucketIAMMember", "config-gateway").inputs, {
    bucket: "test-project-odin-test-config",
    role: "roles/storage.objectViewer",
    member: "serviceAccount:gateway@test",
  });
});

test("an object for each file, and a manifest for sha256sum that is written after the files", async () => {
  const { one, all } = await create();
  assert.deepEqual(one(OBJECT, "config-loki/loki.yml").inputs, {
    bucket: "test-project-odin-test-config",
    name: "loki/loki.yml",
    content: "auth: false\n",
    contentType: "text/plain; charset=utf-8",
    cacheControl: "no-store",
  });
  const sum = (content: string) => createHash("sha256").update(content).digest("hex");
  const manifest = one(OBJECT, "config-manifest");
  assert.equal(manifest.inputs.name, "manifest");
  assert.equal(
    manifest.inputs.content,
    `${sum("auth: false\n")}  loki/loki.yml\n${sum("global: {}\n")}  prometheus/prometheus.yml\n`,
  );
  const files = all(OBJECT).filter(({ name }) => name !== "config-manifest");
  assert.equal(files.length, 2);
  for (const { urn, deleteBeforeReplace } of files) {
    assert.ok(manifest.dependencies.includes(urn));
    assert.ok(
      deleteBeforeReplace,
      "otherwise the deletion of the old object would delete the new object, which has the same name",
    );
  }
});

test("a changed file changes its object and the manifest, nothing else", async () => {
  const before = (await create()).resources;
  const after = (await create({ files: { ...args.files, "loki/loki.yml": "auth: true\n" } })).resources;
  assert.deepEqual(
    before.map(({ urn }) => urn),
    after.map(({ urn }) => urn),
  );
  const changed = before.filter(({ inputs }, index) => {
    return JSON.stringify(inputs) !== JSON.stringify(after[index]?.inputs);
  });
  assert.deepEqual(
    changed.map(({ name }) => name),
    ["config-loki/loki.yml", "config-manifest"],
  );
});

test("refuses empty files and paths that a VM could not write, and reports all of them at once", async () => {
  const files = {
    manifest: "x",
    "../etc/passwd": "x",
    "a b": "x",
    "/root": "x",
    "fine/file-1.v2.yml": "x",
    none: "",
  };
  await assert.rejects(create({ files }), (error: pulumi.InputPropertiesError) => {
    assert.deepEqual(
      error.errors.map(({ propertyPath }) => propertyPath),
      ['files["manifest"]', 'files["../etc/passwd"]', 'files["a b"]', 'files["/root"]', 'files["none"]'],
    );
    return true;
  });
  await assert.rejects(create({ files: {} }), /files has no file/);
});
