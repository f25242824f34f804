/** The load test reports before any load what prevents the run. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakeGateway } from "../fake-gateway.fixture.ts";
import { writeReport } from "../report/report-files.ts";
import type { Result } from "../verdict/result.ts";
import { checkReportFolder } from "./report-folder.ts";

const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));

function folder(t: TestContext): string {
  const out = mkdtempSync(join(tmpdir(), "odin-loadtest-"));
  t.after(() => rmSync(out, { recursive: true, force: true }));
  return out;
}

async function run(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ...env } });
  t.after(() => child.kill("SIGKILL"));
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number, stdout, stderr };
}

/** Starts a server that answers every upgrade with this status. */
async function startRefusingServer(t: TestContext, status: string): Promise<string> {
  const server = createServer();
  server.on("upgrade", (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

describe("a load test that cannot run", { concurrency: 8 }, () => {
  test("reports when nothing listens, and what to do", async (t) => {
    const out = folder(t);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { code, stderr } = await run(t, ["sustained", "--url", `ws://127.0.0.1:${port}/ws`, "--out", out]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      new RegExp(`cannot connect to the gateway at ws://127.0.0.1:${port}/ws: ECONNREFUSED: .*npm start`),
    );
    assert.deepEqual(readdirSync(out), [], "no report is written");
  });

  for (const [status, advice] of [
    ["401 Unauthorized", /401.*JWT_SECRET/],
    ["404 Not Found", /404.*path \(\/ws\)/],
    ["200 OK", /200.*belongs to a gateway/],
  ] as const)
    test(`reports when the gateway answers ${status}`, async (t) => {
      const url = await startRefusingServer(t, status);
      const { code, stderr } = await run(t, ["reconnect", "--url", url, "--out", folder(t)]);
      assert.equal(code, 2);
      assert.match(stderr, advice);
    });

  for (const [flag, address, message] of [
    ["--nats", "nats://127.0.0.1:1", /cannot publish to NATS \(--nats, .*\): \S/],
    [
      "--publisher",
      "http://127.0.0.1:1",
      /the publisher service did not answer as expected at .*\(--publisher, .*\): \S/,
    ],
  ] as const)
    test(`reports when nothing answers at the address of ${flag}`, async (t) => {
      const gateway = new FakeGateway("nothing");
      t.after(() => gateway.stop());
      const { url } = await gateway.start();
      const { code, stderr } = await run(t, ["sustained", "--url", url, "--out", folder(t), flag, address]);
      assert.equal(code, 2);
      assert.match(stderr, message);
    });

  test("reports when the report cannot be written, before it connects to a gateway", async (t) => {
    const file = join(folder(t), "file");
    writeFileSync(file, "");
    const { code, stderr } = await run(t, [
      "sustained",
      "--url",
      "ws://127.0.0.1:1/ws",
      "--out",
      join(file, "below"),
    ]);
    assert.equal(code, 2);
    assert.match(stderr, /cannot write the report to .*--out/);
    assert.doesNotMatch(stderr, /ECONNREFUSED/);
  });

  test("reports all mistakes at once, in options and in the environment", async (t) => {
    const { code, stderr } = await run(t, ["soak", "--duration", "long"], { TARGET_CONNECTIONS: "-1" });
    assert.equal(code, 2);
    assert.deepEqual(
      stderr
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0])
        .toSorted(),
      ["--duration", "SCENARIO", "TARGET_CONNECTIONS", "npm"],
    );
  });

  test("reports when the machine's limits are too low", async (t) => {
    const { code, stderr } = await run(t, ["sustained", "--connections", "1000000", "--workers", "1"]);
    assert.equal(code, 2);
    assert.match(stderr, /^--connections: /m);
  });

  test("--help prints the help and exits with 0", async (t) => {
    const { code, stdout, stderr } = await run(t, ["--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /npm run loadtest -- SCENARIO/);
  });
});

describe("files of a report", () => {
  test("the check of the folder leaves nothing behind", (t) => {
    const out = join(folder(t), "new");
    checkReportFolder(out, 3600);
    assert.deepEqual(readdirSync(out), []);
  });

  test("the report is written elsewhere if its folder is gone after the run", (t) => {
    const out = folder(t);
    const file = join(out, "file");
    writeFileSync(file, "");
    const result = SMALLEST as unknown as Result;
    const { html, json, warning } = writeReport(result, join(file, "below"), out);
    assert.match(warning ?? "", /could not be written to .*below: /);
    assert.deepEqual(
      readdirSync(out)
        .map((name) => join(out, name))
        .toSorted(),
      [file, html, json].toSorted(),
    );
  });
});

const NONE = { samples: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
const SMALLEST = {
  ...{ scenario: "sustained", outcome: "stopped", startedAt: "2026-01-02T03:04:05.000Z", seconds: 1 },
  ...{
    feed: "",
    latencyBasis: "",
    checks: [],
    open: 0,
    secondsToConnect: 0,
    deliveries: 0,
    bytes: 0,
    messages: 0,
  },
  ...{
    gaps: 0,
    replays: 0,
    caughtUp: 0,
    throttled: 0,
    latency: NONE,
    latencyCurve: [],
    connect: NONE,
    resume: NONE,
  },
  ...{
    roundTrip: NONE,
    stages: [],
    marks: [],
    refused: {},
    ended: {},
    examples: [],
    timeline: [],
    gateway: {},
    deliverySummary: { lost: 0 },
  },
  command: { connections: 1, urls: [], rates: [12], connectRate: 1, seconds: 1, workers: 1 },
  machine: { cpu: "", cores: 1, memoryGiB: 1, node: "", kernel: "" },
};
