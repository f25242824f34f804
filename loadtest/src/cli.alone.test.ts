import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SAME_SIGNAL_MS } from "@odin-ws/settings/signals";
import { jwtVerify } from "jose";
import { type Defect, FakeGateway } from "./fake-gateway.fixture.ts";
import type { Result } from "./verdict/result.ts";

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
  /** Resolves once the load has begun. */
  delivered(): Promise<void>;
  end: Promise<Outcome>;
}

const CONNECTIONS = 40;
const SECRET = "a secret of the identity service";

/** Runs the load test with 40 connections against a fake gateway. */
async function begin(t: TestContext, wrong: Defect, args: readonly string[]): Promise<Session> {
  const gateway = new FakeGateway(wrong);
  const { url, metrics } = await gateway.start();
  const out = mkdtempSync(join(tmpdir(), "odin-loadtest-"));
  const where = ["--url", url, "--metrics", metrics, "--out", out];
  // The fake gateway publishes 50 messages a second, so RATE 100 takes all of them. Latency on a busy machine
  // must not fail a test, unless the test sets a limit.
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
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk) => {
      output += chunk;
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
  const delivered = async () => {
    // The preflight check receives a few messages as well, so 1,000 messages show that the load runs.
    while (gateway.clients.size < CONNECTIONS || gateway.sent < 1000)
      await new Promise((resolve) => setTimeout(resolve, 50));
  };
  return { gateway, end, delivered, signal: (name) => child.kill(name) };
}

const failed = ({ checks }: Result) =>
  checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);

describe("load test on the command line", { concurrency: 8 }, () => {
  test("passes and writes a report, with tokens of the gateway's issuer and audience", async (t) => {
    const issuer = "https://id.example";
    const tokens = ["--jwt-secret", SECRET, "--jwt-issuer", `${issuer}, old`, "--jwt-audience", "live"];
    const session = await begin(t, "nothing", ["sustained", "--duration", "3", ...tokens]);
    const { code, output, result, html } = await session.end;
    const { asked } = session.gateway;
    assert.ok(asked.length > CONNECTIONS, "clients, and the check before the load");
    const accepted = { issuer, audience: "live" };
    for (const { searchParams } of asked)
      await jwtVerify(searchParams.get("auth") ?? "", Buffer.from(SECRET), accepted);
    assert.deepEqual([code, failed(result)], [0, []], output);
    assert.equal(result.outcome, "passed");
    assert.equal(result.open, CONNECTIONS);
    assert.ok(result.messages > 50 && result.deliveries > 200, output);
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
      "the page loads nothing from elsewhere",
    );
  });

  test("--max-p99 sets the exit code", async (t) => {
    const session = await begin(t, "late", ["sustained", "--duration", "3", "--max-p99", "300"]);
    const { code, result } = await session.end;
    assert.equal(code, 1);
    assert.deepEqual(failed(result), ["Latency, 99th percentile"]);
    assert.ok(result.latency.p50 >= 395, `${result.latency.p50}`);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const)
    test(`a doubled ${signal} ends the load and writes a report`, async (t) => {
      const session = await begin(t, "nothing", ["sustained", "--duration", "10m"]);
      await session.delivered();
      session.signal(signal);
      session.signal(signal);
      const { code, result, output } = await session.end;
      assert.equal(code, 130, output);
      assert.equal(result.outcome, "stopped");
      assert.deepEqual(failed(result), [], output);
      assert.ok(result.deliveries > 100);
    });

  test("a second Ctrl-C ends the load test at once", async (t) => {
    // The fake gateway answers no heartbeats, so the load test would wait for the last deliveries.
    const session = await begin(t, "mute", ["sustained", "--duration", "10m"]);
    await session.delivered();
    session.signal("SIGINT");
    session.signal("SIGINT"); // npm passes on a signal that the terminal has already sent
    await new Promise((resolve) => setTimeout(resolve, 2 * SAME_SIGNAL_MS));
    session.signal("SIGINT");
    await assert.rejects(session.end, /no report/);
  });
});
