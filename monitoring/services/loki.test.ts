import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { parse } from "yaml";
import { LOG_LABELS } from "../limits/log-labels.ts";
import { localOptions } from "../local/options.ts";
import { runOnFiles, skipWithout } from "../testing/run-on-files.fixture.ts";
import { SAMPLE } from "../testing/sample-options.fixture.ts";
import { lokiFiles } from "./loki.ts";

const FILE = "loki/loki.yml";
const text = lokiFiles(SAMPLE)[FILE] ?? "";
const loki = parse(text);
const verified = (content: string, env: Record<string, string> = {}) =>
  runOnFiles(
    "loki",
    [`-config.file=${FILE}`, "-config.expand-env=true", "-verify-config"],
    { [FILE]: content },
    { LOKI_DATA: tmpdir(), ...env },
  );

test("Loki accepts the configuration", { skip: skipWithout("loki") }, async () => {
  const { ok, output } = await verified(text);
  assert.ok(ok, output);
  const tooMuch = await verified(text.replace("100MB", "100 lines"));
  assert.ok(!tooMuch.ok, "Loki checks the ceiling");
  const wrong = await verified(text.replace("retention_period", "retention_perod"));
  assert.ok(!wrong.ok);
  assert.match(wrong.output, /retention_perod/);
});

test("from a day on that the VM chooses, chunks and index are in the bucket", {
  skip: skipWithout("loki"),
}, async () => {
  assert.deepEqual(
    loki.schema_config.configs.map((period: { object_store: string }) => period.object_store),
    ["filesystem", "gcs"],
  );
  assert.equal(loki.storage_config.gcs.bucket_name, "my-project-odin-prod-logs");
  const { ok, output } = await verified(text, { LOKI_BUCKET_FROM: "2025-01-02" });
  assert.ok(ok, output);
  const early = await verified(text, { LOKI_BUCKET_FROM: "2025-01-01" });
  assert.ok(!early.ok, "Loki reads the day: periods must begin on different days");
});

test("without a bucket, all data stay on the disk", () => {
  const local = parse(lokiFiles(localOptions())[FILE] ?? "");
  assert.equal(local.schema_config.configs.length, 1);
  assert.equal(local.storage_config, undefined);
});

test("the index, and what is not yet in the bucket, are on the data disk; logs are deleted after a week", () => {
  const folders = [
    loki.common.path_prefix,
    loki.common.storage.filesystem.chunks_directory,
    loki.common.storage.filesystem.rules_directory,
    loki.compactor.working_directory,
  ];
  for (const folder of folders) assert.match(folder, /^\$\{LOKI_DATA\}/);
  assert.equal(loki.limits_config.retention_period, "168h");
  assert.equal(loki.compactor.retention_enabled, true, "without it Loki deletes nothing");
});

test("caches and limits fit into 400 MB of an e2-small", () => {
  const caches = [loki.chunk_store_config.chunk_cache_config, loki.query_range.results_cache.cache];
  const megabytes = caches.map(({ embedded_cache: { max_size_mb } }) => max_size_mb);
  assert.ok(megabytes.reduce((one, other) => one + other) <= 64, "the default of one cache is 1 GB");
  const { replay_memory_ceiling, flush_on_shutdown } = loki.ingester.wal;
  assert.equal(
    replay_memory_ceiling,
    "100MB",
    "the default is 4 GB, with which Loki could not start after a crash under load",
  );
  assert.equal(flush_on_shutdown, true, "flushed data need no replay");
  assert.ok(loki.querier.max_concurrent <= 2 && loki.limits_config.max_query_parallelism <= 2);
});

test("Loki adds no labels to the log shipper's labels", () => {
  assert.deepEqual(loki.limits_config.discover_service_name, []);
  assert.ok(loki.limits_config.max_label_names_per_series >= Object.keys(LOG_LABELS).length);
});

test("Loki listens on the given ports", () => {
  const ports = ({ http_listen_port, grpc_listen_port }: { [name: string]: number }) => [
    http_listen_port,
    grpc_listen_port,
  ];
  assert.deepEqual(ports(loki.server), [3100, 9095]);
  const local = parse(lokiFiles(localOptions({ ports: { loki: 5, lokiGrpc: 6 } }))[FILE] ?? "");
  assert.deepEqual(ports(local.server), [5, 6]);
});
