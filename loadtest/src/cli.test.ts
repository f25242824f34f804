import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FakeGateway, type Wrong } from "./fake-gateway.fixture.ts";
import type { Result } from "./result.ts";

const CLI = fileURLToPath(new URL("cli.ts", import.meta.url));

interface Outcome {
  code: number | null;
  output: string;
  result: Result;
  html: string;
}

interface Session {
  gateway: FakeGateway;
  signal(name: NodeJS.Signals): void;
  said(pattern: RegExp): Promise<void>;
  end: Promise<Outcome>;
}

const CONNECTIONS = 40;

/** Runs the load test with 40 connections against a gateway of the test's own. */
async function begin(t: TestContext, wrong: Wrong, args: readonly string[]): Promise<Session> {
  const gateway = new FakeGateway(wrong);
  const { url, metrics } = await gateway.start();
  const out = mkdtempSync(join(tmpdir(), "odin-loadtest-"));
  const where = ["--url", url, "--metrics", metrics, "--out", out];
  // The gateway has 50 messages a second: all of them. A busy machine must not decide these tests; where latency counts the test says so.
  const given = [
    "--connections",
    String(CONNECTIONS),
    "--workers",
    "2",
    "--rate",
    "100",
    "--max-p99",
    "60000",
    ...where,
    ...args,
  ];
  const child = spawn(process.execPath, [CLI, ...given], { env: { PATH: process.env.PATH }, stdio: "pipe" });
  t.after(() => {
    child.kill("SIGKILL");
    gateway.stop();
    rmSync(out, { recursive: true, force: true });
  });
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
      for (const listener of listeners) listener();
    });
  const end = new Promise<Outcome>((resolve, reject) => {
    child.once("close", (code) => {
      try {
        const file = (ext: string) =>
          readFileSync(join(out, readdirSync(out).find((name) => name.endsWith(ext)) ?? ext), "utf8");
        resolve({ code, output, result: JSON.parse(file(".json")), html: file(".html") });
      } catch (error) {
        reject(new Error(`no report: ${error}\n${output}`));
      }
    });
  });
  const said = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => pattern.test(output) && resolve();
      listeners.add(look);
      look();
    });
  return { gateway, end, said, signal: (name) => child.kill(name) };
}

const failed = ({ checks }: Result) =>
  checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);

const FINDS: readonly [Wrong, string[]][] = [
  ["drop", ["Every message to every subscriber"]],
  ["duplicate", ["No message twice"]],
  ["reorder", ["Order on each channel"]],
  ["alter", ["The same content for all"]],
  // A message under the name of another channel, and a subscriber that gets nothing any more.
  ["misdirect", ["The same content for all"]],
  ["forget", ["Every message to every subscriber"]],
  ["unasked", ["Nothing that was not asked for"]],
  ["close", ["No connection ended by itself"]],
  ["miscount", ["Own count agrees with the gateway's"]],
];

describe("load test against a gateway that is right", { concurrency: 2 }, () => {
  test("passes, and reports what it did", async (t) => {
    const session = await begin(t, "nothing", ["sustained", "--duration", "4"]);
    const { code, output, result, html } = await session.end;
    assert.deepEqual([code, failed(result)], [0, []], output);
    assert.equal(result.outcome, "passed");
    assert.equal(result.open, CONNECTIONS);
    assert.ok(result.messages > 100 && result.deliveries > 400, output);
    assert.ok(result.latency.samples > 100 && result.latency.p50 < 60_000);
    assert.ok(
      result.timeline.some(
        ({ open, deliveries, cpuPercent }) => open === CONNECTIONS && deliveries > 0 && cpuPercent === 1,
      ),
    );
    assert.match(html, /^<!doctype html>[\s\S]*Sustained load[\s\S]*<svg[\s\S]*<\/html>\n$/);
    assert.doesNotMatch(
      html,
      /(src|href)="|url\((?!#)|https?:\/\/(?!127|www\.w3\.org)/,
      "needs nothing else",
    );
  });

  test("a number that was given out and did not come is asked for, and comes", async (t) => {
    const session = await begin(t, "drop-with-gap", ["sustained", "--duration", "3"]);
    const { code, result, output } = await session.end;
    assert.deepEqual([code, failed(result)], [0, []], output);
    assert.deepEqual([result.gaps, result.replays, session.gateway.done], [1, 1, 1]);
  });
});

describe("load test against a gateway that is wrong with one message or one client", {
  concurrency: 3, // mostly they wait
}, () => {
  for (const [wrong, checks] of FINDS) {
    test(`finds: ${wrong}`, async (t) => {
      const session = await begin(t, wrong, ["sustained", "--duration", "3"]);
      const { code, result, output } = await session.end;
      if (wrong !== "miscount") assert.equal(session.gateway.done, 1, "the gateway went wrong");
      // One fault may show in several checks, but never in none.
      for (const name of checks) assert.ok(failed(result).includes(name), output);
      assert.deepEqual([code, result.outcome], [1, "failed"]);
    });
  }
});

describe("thresholds and interruption", { concurrency: 3 }, () => {
  test("--max-p99 sets the exit code", async (t) => {
    const session = await begin(t, "late", ["sustained", "--duration", "3", "--max-p99", "300"]);
    const { code, result } = await session.end;
    assert.equal(code, 1);
    assert.deepEqual(failed(result), ["Latency, 99th percentile"]);
    assert.ok(result.latency.p50 >= 395, `${result.latency.p50}`);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    test(`${signal} ends the load and reports`, async (t) => {
      const session = await begin(t, "nothing", ["sustained", "--duration", "10m"]);
      await session.said(/as published, 5 s/);
      session.signal(signal);
      const { code, result, output } = await session.end;
      assert.equal(code, 130, output);
      assert.equal(result.outcome, "stopped");
      assert.deepEqual(failed(result), [], output);
      assert.ok(result.deliveries > 100);
    });

  test("a second Ctrl-C ends it at once", async (t) => {
    const session = await begin(t, "nothing", ["sustained", "--duration", "10m"]);
    await session.said(/as published, 5 s/);
    session.signal("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300)); // longer than npm takes to pass the first one on
    session.signal("SIGINT");
    await assert.rejects(session.end, /no report/);
  });
});
