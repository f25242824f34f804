/** `npm run bench:connections`, with few connections. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { withoutNats } from "../harness/nats.ts";

const CLI = fileURLToPath(new URL("../../bench/connections/cli.ts", import.meta.url));
const CONNECTIONS = 300;
const AUDIENCE = 120;

interface Figures {
  empty: { workers: number; processes: number; pss: number }[];
  steps: { connections: number; opened: number; bytes: { gateway: number }; openMicros: number }[];
  comebacks: { what: string; lost: number; missing: number; attempts: number; course: number[] }[];
  fanouts: {
    opening: boolean;
    connections: number;
    messages: number;
    deliveries: number;
    lost: number;
    disorder: number;
  }[];
}

test("every part is measured, with connections that are subscribed and come back", {
  skip: process.platform !== "linux" ? "needs Linux" : withoutNats(),
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "odin-connections-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [json, svg] = [join(folder, "figures.json"), join(folder, "plot.svg")];
  const run = (...options: string[]) => {
    const files = ["--json", json, "--svg", svg];
    const result = spawnSync(process.execPath, [CLI, ...options, ...files], {
      encoding: "utf8",
      timeout: 240_000,
    });
    assert.equal(result.status, 0, `${result.stdout}\n${result.stderr}`);
    return JSON.parse(readFileSync(json, "utf8")) as Figures;
  };
  const size = ["--connections", String(CONNECTIONS), "--audience", String(AUDIENCE), "--seconds", "2"];
  run("--parts", "idle,worker,gateway", "--workers", "2", ...size);
  const all = run("--parts", "load,fanout", "--load-workers", "2", "--rate", "150", "--add", ...size);

  assert.deepEqual(
    all.empty.map(({ workers, processes }) => [workers, processes]),
    [[2, 3]],
  );
  assert.deepEqual(
    all.steps.map(({ connections, opened }) => [connections, opened]),
    [[CONNECTIONS, CONNECTIONS]],
  );
  assert.ok(all.steps.every(({ openMicros }) => openMicros > 0));
  const [worker, gateway] = all.comebacks;
  assert.deepEqual(
    [worker?.what, worker?.missing, gateway?.what, gateway?.missing],
    ["worker", 0, "gateway", 0],
  );
  assert.ok(worker !== undefined && worker.lost > 0 && worker.lost < CONNECTIONS, `${worker?.lost} lost`);
  assert.equal(gateway?.lost, CONNECTIONS);
  assert.ok((gateway?.attempts ?? 0) >= CONNECTIONS);
  assert.deepEqual(
    all.fanouts.map(({ opening, connections, lost, disorder }) => [opening, connections, lost, disorder]),
    [
      [true, CONNECTIONS, 0, 0],
      [false, CONNECTIONS, 0, 0],
    ],
  );
  const [, alone] = all.fanouts;
  assert.ok(alone !== undefined && alone.messages > 0);
  assert.equal(alone.deliveries, alone.messages * AUDIENCE);
  assert.ok(readFileSync(svg, "utf8").startsWith("<svg"));
});

test("a machine with too low limits is reported before anything starts", {
  skip: process.platform !== "linux" && "needs Linux",
}, () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [CLI, "--connections", "1000000", "--workers", "1", "--parts", "idle"],
    { encoding: "utf8", timeout: 60_000 },
  );
  assert.equal(status, 1);
  assert.match(stderr, /1000000 connections|1 workers with \d+ open files/);
});
