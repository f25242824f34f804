/** What cannot be run is told at once, before any load. */

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
import { claimFolder } from "./claim-folder.ts";

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

/** A server that answers every upgrade with this status. */
async function refusing(t: TestContext, status: string): Promise<string> {
  const server = createServer();
  server.on("upgrade", (_request, socket) => socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

describe("a load test that cannot run", { concurrency: 8 }, () => {
  test("says so when nothing listens, and what to do", async (t) => {
    const out = folder(t);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const { code, stderr } = await run(t, ["sustained", "--url", `ws://127.0.0.1:${port}/ws`, "--out", out]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      new RegExp(`the gateway at ws://127.0.0.1:${port}/ws cannot be loaded: ECONNREFUSED: .*npm start`),
    );
    assert.deepEqual(readdirSync(out), [], "no report of what did not take place");
  });

  for (const [status, advice] of [
    ["401 Unauthorized", /401.*JWT_SECRET/],
    ["404 Not Found", /404.*path \(\/ws\)/],
    ["200 OK", /200.*is it a gateway/],
  ] as const)
    test(`says so when the gateway answers ${status}`, async (t) => {
      const url = await refusing(t, status);
      const { code, stderr } = await run(t, ["reconnect", "--url", url, "--out", folder(t)]);
      assert.equal(code, 2);
      assert.match(stderr, advice);
    });

  for (const [flag, address, said] of [
    ["--nats", "nats://127.0.0.1:1", /NATS cannot be published to \(--nats, .*\): \S/],
    ["--publisher", "http://127.0.0.1:1", /the publisher does not do its part, .*\(--publisher, .*\): \S/],
  ] as const)
    test(`says so when ${flag} leads nowhere`, async (t) => {
      const gateway = new FakeGateway("nothing");
      t.after(() => gateway.stop());
      const { url } = await gateway.start();
      const { code, stderr } = await run(t, ["sustained", "--url", url, "--out", folder(t), flag, address]);
      assert.equal(code, 2);
      assert.match(stderr, said);
    });

  test("says so when the report has nowhere to go, before it asks any gateway", async (t) => {
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
    assert.match(stderr, /the report could not be written to .*--out/);
    assert.doesNotMatch(stderr, /ECONNREFUSED/);
  });

  test("tells all mistakes at once, of flags and of the environment", async (t) => {
    const { code, stderr } = await run(t, ["soak", "--duration", "long"], { TARGET_CONNECTIONS: "-1" });
    assert.equal(code, 2);
    assert.deepEqual(
      stderr
        .trim()
        .split("\n")
        .map((line) => line.split(":")[0])
        .toSorted(),
      ['"soak" is no scenario', "--duration", "TARGET_CONNECTIONS"],
    );
  });

  test("tells what the machine does not allow", async (t) => {
    const { code, stderr } = await run(t, ["sustained", "--connections", "1000000", "--workers", "1"]);
    assert.equal(code, 2);
    assert.match(stderr, /^--connections: /m);
  });

  test("--help is no mistake", async (t) => {
    const { code, stdout, stderr } = await run(t, ["--help"]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /npm run loadtest -- SCENARIO/);
  });
});

describe("files of a report", () => {
  test("a claimed folder is left empty", (t) => {
    const out = join(folder(t), "new");
    claimFolder(out, 3600);
    assert.deepEqual(readdirSync(out), []);
  });

  test("a folder that has gone in the course of a run does not cost the report", (t) => {
    const out = folder(t);
    const file = join(out, "file");
    writeFileSync(file, "");
    const result = SMALLEST as unknown as Result;
    const { html, json, trouble } = writeReport(result, join(file, "below"), out);
    assert.match(trouble ?? "", /not in .*below: /);
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
  },
  command: { connections: 1, urls: [], rates: [12], connectRate: 1, seconds: 1, workers: 1 },
  machine: { cpu: "", cores: 1, memoryGiB: 1, node: "", kernel: "" },
};
