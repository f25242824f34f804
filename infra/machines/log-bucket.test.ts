import assert from "node:assert/strict";
import { test } from "node:test";
import { record } from "../offline/offline.ts";
import { testSite } from "../offline/site.fixture.ts";
import { LogBucket } from "./log-bucket.ts";

const BUCKET = "gcp:storage/bucket:Bucket";
const WRITER = "serviceAccount:monitoring@test";

const create = (site = testSite) =>
  record(() => new LogBucket("monitoring-logs", { site, writer: WRITER, keepDays: 7 }));

test("a private bucket in the region, without old versions, that deletes what Loki no longer keeps", async () => {
  const { one, result } = await create();
  assert.deepEqual(one(BUCKET).inputs, {
    name: "test-project-odin-test-logs",
    project: "test-project",
    location: "US-CENTRAL1",
    storageClass: "STANDARD",
    labels: { app: "odin-ws", stack: "test", role: "logs" },
    uniformBucketLevelAccess: true,
    publicAccessPrevention: "enforced",
    lifecycleRules: [{ action: { type: "Delete" }, condition: { age: 10 } }],
    softDeletePolicy: { retentionDurationSeconds: 0 },
    forceDestroy: true,
  });
  assert.equal(result.bucket, "test-project-odin-test-logs");
});

test("only the VM of Loki may use the bucket, and it may only read and write objects", async () => {
  const { all } = await create();
  assert.deepEqual(
    all("gcp:storage/bucketIAMMember:BucketIAMMember").map(({ inputs }) => inputs),
    [{ bucket: "test-project-odin-test-logs", role: "roles/storage.objectUser", member: WRITER }],
  );
});

test("the bucket of a production stack is protected", async () => {
  assert.equal((await create()).one(BUCKET).protect, false);
  assert.equal((await create({ ...testSite, production: true })).one(BUCKET).protect, true);
});
