/**
 * Loki with its logs in a bucket: they are there after the monitoring VM and its disk are lost, and logs of
 * earlier days, which are on the disk, stay readable.
 */

import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { OTHER_METRIC } from "../../monitoring/limits/metrics.ts";
import { localOptions } from "../../monitoring/local/options.ts";
import { lokiFiles } from "../../monitoring/services/loki.ts";
import { skipWithout } from "../../monitoring/testing/run-on-files.fixture.ts";
import { findProgram } from "../../tools/programs/programs.ts";
import { get } from "../harness/http.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually } from "../harness/wait.ts";
import { type FakeStorage, startFakeStorage } from "../monitoring/fake-storage.ts";

const BUCKET = "my-project-odin-prod-logs";
const PATIENCE_MS = 90_000; // on a busy machine
const DAY_MS = 86_400_000;

interface Loki {
  url: string;
  process: ProcessGroup;
}

interface Setup {
  storage: FakeStorage;
  /** The data disk. */
  disk: string;
  /** First day in the bucket. */
  from: string;
  /** Changes to the configuration, which make Loki faster. */
  changes?: (config: Config) => void;
}

interface Config {
  compactor: Record<string, unknown>;
  limits_config: Record<string, unknown>;
}

const day = (time: number) => new Date(time).toISOString().slice(0, 10);

function folder(owner: Owner): string {
  const made = mkdtempSync(join(tmpdir(), "odin-log-bucket-"));
  owner.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function startLoki(owner: Owner, { storage, disk, from, changes }: Setup): Promise<Loki> {
  const port = await freePort();
  const rendered = lokiFiles({
    ...localOptions({ ports: { loki: port, lokiGrpc: await freePort() } }),
    logBucket: BUCKET,
  });
  const config = parse(rendered["loki/loki.yml"] ?? "") as Config;
  changes?.(config);
  const file = join(folder(owner), "loki.yml");
  writeFileSync(file, stringify(config, { aliasDuplicateObjects: false }));
  mkdirSync(disk, { recursive: true });
  const group = new ProcessGroup(
    findProgram("loki") ?? "loki",
    [`-config.file=${file}`, "-config.expand-env=true", "-server.http-listen-address=127.0.0.1"],
    { PATH: process.env.PATH ?? "", HOME: disk, LOKI_DATA: disk, LOKI_BUCKET_FROM: from, ...storage.env },
  );
  owner.after(() => group.dispose());
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    () => `Loki:\n${group.tail()}`,
    async () => (await get(`${url}/ready`)).status === 200,
    PATIENCE_MS,
  );
  return { url, process: group };
}

/** Ends Loki as systemd does, so that it writes what it has in memory. */
async function stop({ process: group }: Loki): Promise<void> {
  group.signal("SIGTERM");
  await group.exited;
}

/** Sends a line in a stream of its own, whose chunk has no other line. @param time ms since 1970 */
async function push({ url }: Loki, line: string, time: number): Promise<void> {
  const stream = { host: `odin-prod-gateway-${time}`, container: "gateway" };
  const pushed = await fetch(`${url}/loki/api/v1/push`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ streams: [{ stream, values: [[`${time}000000`, line]] }] }),
  });
  assert.equal(pushed.status, 204, await pushed.text());
}

/** The lines of a time, the oldest first. */
async function lines({ url }: Loki, start: number, end: number): Promise<string[]> {
  const query = new URLSearchParams({
    query: '{container="gateway"}',
    start: `${start}000000`,
    end: `${end}000000`,
    direction: "forward",
  });
  const { status, body } = await get(`${url}/loki/api/v1/query_range?${query}`);
  assert.equal(status, 200, body);
  const { data } = JSON.parse(body) as { data: { result: { values: [string, string][] }[] } };
  const found = data.result.flatMap(({ values }) => values);
  return found.sort(([one], [other]) => Number(BigInt(one) - BigInt(other))).map(([, line]) => line);
}

/** Number of files. Loki removes the folder when the last chunk is deleted. */
function filesIn(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
}

describe("logs in a bucket", { skip: skipWithout("loki"), timeout: 400_000, concurrency: 2 }, () => {
  test("a new VM on a new disk reads the logs that the old one wrote", async (t) => {
    const storage = await startFakeStorage(t, BUCKET);
    const from = "2025-01-02"; // a new stack
    const old = await startLoki(t, { storage, disk: folder(t), from });
    const now = Date.now();
    await push(old, "written by the VM that is lost", now);
    await stop(old);
    const names = [...storage.objects.keys()];
    assert.ok(
      names.some((name) => name.startsWith("fake/")),
      `chunks: ${names}`,
    );
    assert.ok(
      names.some((name) => name.startsWith("index/")),
      `index: ${names}`,
    );

    const disk = folder(t);
    const next = await startLoki(t, { storage, disk, from });
    await push(next, "written by the new VM", now + 1);
    const both = ["written by the VM that is lost", "written by the new VM"];
    assert.deepEqual(await lines(next, now - 60_000, now + 60_000), both);
    assert.deepEqual(storage.unknown, []);
  });

  test("while the bucket does not answer, Loki counts failures and keeps the lines", async (t) => {
    const storage = await startFakeStorage(t, BUCKET);
    const disk = folder(t);
    const from = "2025-01-02";
    const loki = await startLoki(t, { storage, disk, from });
    const now = Date.now();
    await push(loki, "kept until the bucket answers", now);
    storage.isDown = true;
    await fetch(`${loki.url}/flush`, { method: "POST" });
    const metric = new RegExp(`^${OTHER_METRIC.logFlushFailures} ([1-9].*)$`, "m");
    await eventually(
      "a failed write that Prometheus can see",
      async () => metric.test((await get(`${loki.url}/metrics`)).body),
      PATIENCE_MS,
    );
    assert.equal(storage.objects.size, 0);
    storage.isDown = false;
    await stop(loki);
    rmSync(disk, { recursive: true });
    const next = await startLoki(t, { storage, disk, from });
    assert.deepEqual(await lines(next, now - 60_000, now + 60_000), ["kept until the bucket answers"]);
  });

  test("logs of the days before the bucket stay on the disk, and one query reads both", async (t) => {
    const storage = await startFakeStorage(t, BUCKET);
    const disk = folder(t);
    const today = day(Date.now());
    const yesterday = Date.parse(today) - 60_000;
    const now = Date.now();
    const before = await startLoki(t, { storage, disk, from: "2100-01-01" });
    await push(before, "on the disk", yesterday);
    await stop(before);
    assert.equal(storage.objects.size, 0);

    const first = await startLoki(t, { storage, disk, from: today });
    await push(first, "in the bucket", now);
    await stop(first);
    assert.ok(storage.objects.size > 0);
    const second = await startLoki(t, { storage, disk, from: today });
    assert.deepEqual(await lines(second, yesterday - 1, now + 1), ["on the disk", "in the bucket"]);
  });

  test("logs that are older than a week are deleted, on the disk and in the bucket", async (t) => {
    const storage = await startFakeStorage(t, BUCKET);
    const disk = folder(t);
    const now = Date.now();
    const [onDisk, inBucket] = [now - 10 * DAY_MS, now - 8 * DAY_MS];
    const setup = { storage, disk, from: day(now - 9 * DAY_MS) };
    // Loki takes lines of the last day only, and deletes with delays of hours.
    const changes = ({ limits_config, compactor }: Config) => {
      limits_config.reject_old_samples = false;
      Object.assign(compactor, { compaction_interval: "2s", retention_delete_delay: "1s" });
    };
    const first = await startLoki(t, {
      ...setup,
      changes: ({ limits_config }) => {
        limits_config.reject_old_samples = false;
      },
    });
    await push(first, "too old, on the disk", onDisk);
    await push(first, "too old, in the bucket", inBucket);
    await push(first, "of today", now);
    await stop(first);
    const chunks = () => [
      [...storage.objects.keys()].filter((name) => name.startsWith("fake/")).length,
      filesIn(join(disk, "chunks/fake")),
    ];
    assert.deepEqual(chunks(), [2, 1]);

    const second = await startLoki(t, { ...setup, changes });
    await eventually(
      () => `only the chunk of today: ${chunks()}\n${second.process.tail()}`,
      () => `${chunks()}` === "1,0",
      2 * PATIENCE_MS,
    );
    assert.deepEqual(await lines(second, now - 60_000, now + 60_000), ["of today"]);
  });
});
