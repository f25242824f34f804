/** The load test against a real gateway with a real NATS: every scenario, short, with 2,000 connections. */

import { strict as assert } from "node:assert";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GATEWAY_METRICS } from "../../loadtest/src/gateway-watch.ts";
import type { Result } from "../../loadtest/src/result.ts";
import { METRIC } from "../../server/src/metrics.ts";
import { openPage, withoutBrowser } from "../harness/browser.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { within } from "../harness/wait.ts";

const CLI = fileURLToPath(new URL("../../loadtest/src/cli.ts", import.meta.url));
const CONNECTIONS = 2000;
const DEADLINE = 300_000; // 5 min: a run takes one, on an idle machine less

test("the gateway has the metrics that the report reads", () => {
  const names: readonly string[] = Object.values(METRIC);
  for (const name of Object.values(GATEWAY_METRICS)) assert.ok(names.includes(name), name);
});

describe("load test", { skip: withoutNats() }, () => {
  const owner = suiteOwner();
  let nats: Nats;
  let gateway: Gateway;

  before(async () => {
    nats = await startNats(owner);
    gateway = await startGateway(owner, { nats, env: { WS_WORKER_POOL_SIZE: "2" } });
  });

  async function load(
    t: TestContext,
    scenario: string,
    changes: Record<string, string>,
    ...switches: string[]
  ) {
    const out = mkdtempSync(join(tmpdir(), "odin-loadtest-"));
    t.after(() => rmSync(out, { recursive: true, force: true }));
    const given: Record<string, string> = {
      url: gateway.url,
      metrics: `http://127.0.0.1:${gateway.opsPort}/metrics`,
      nats: nats.url,
      connections: String(CONNECTIONS),
      workers: "2",
      "connect-rate": "500",
      // What is slow here are the tests beside this one.
      "max-p99": "60000",
      out,
      ...changes,
    };
    // An empty value leaves the option out.
    const flags = Object.entries(given).flatMap(([name, value]) =>
      value === "" ? [] : [`--${name}`, value],
    );
    const run = new ProcessGroup(process.execPath, [CLI, scenario, ...flags, ...switches], {
      PATH: process.env.PATH ?? "",
    });
    t.after(() => run.dispose());
    const { code } = await within(() => `end of ${scenario}:\n${run.tail()}`, run.exited, DEADLINE);
    const file = (ending: string) =>
      join(out, readdirSync(out).find((name) => name.endsWith(ending)) ?? ending);
    assert.notEqual(readdirSync(out).length, 0, run.tail());
    const result = JSON.parse(readFileSync(file(".json"), "utf8")) as Result;
    assert.equal(code, 0, run.tail());
    assert.equal(result.open, CONNECTIONS, run.tail());
    assert.deepEqual(run.processes(), [], "no process is left");
    return {
      result,
      page: pathToFileURL(file(".html")).href,
      passed: new Set(result.checks.flatMap(({ name, outcome }) => (outcome === "passed" ? name : []))),
    };
  }

  test("connection-rate", async (t) => {
    const { result } = await load(t, "connection-rate", { rate: "500", duration: "2" });
    assert.equal(result.connect.samples, CONNECTIONS);
  });

  test("sustained: all that was published reached its 242 subscribers, and the gateway counts the same", async (t) => {
    const { result, passed } = await load(t, "sustained", { duration: "12" });
    assert.ok(result.published >= 12 * 12 - 2, `${result.published}`);
    assert.equal(result.deliveries, result.published * 242);
    for (const name of [
      "Own count agrees with the gateway's",
      "Hash of each message as published",
      "Every message to every subscriber",
    ])
      assert.ok(passed.has(name), name);
  });

  test("sustained, compressed, with a report that a browser shows without a complaint", async (t) => {
    const changes = { duration: "8" };
    const { result, page } = await load(t, "sustained", changes, "--compression");
    assert.equal(result.deliveries, result.published * 242);
    const compressed = (await gateway.metrics()).sum(METRIC.bytesSent, { encoding: "deflate" });
    assert.ok(compressed > 0);
    const missing = withoutBrowser();
    if (missing !== false) return t.skip(missing);
    // Its content security policy forbids everything that is not in it: what it forbids to itself would be an error here.
    const { page: shown, errors } = await openPage(t, page);
    assert.equal(await shown.locator("strong.verdict").innerText(), "Passed");
    const plot = shown.locator(".plot").first();
    await plot.hover({ position: { x: 400, y: 80 } }); // late enough for all to be there
    await plot.locator(".tip").waitFor({ state: "visible" });
    assert.match(await plot.locator(".tip").innerText(), /open\s+2,000/);
    const colors = (await shown.evaluate(
      "[...document.querySelectorAll('path[stroke]')].map((path) => getComputedStyle(path).stroke)",
    )) as string[];
    assert.ok(colors.length > 20 && colors.every((color) => /^(rgb|none)/.test(color)));
    assert.deepEqual(errors, []);
  });

  test("throughput: a stage for each rate", async (t) => {
    const { result } = await load(t, "throughput", { rate: "12,30", duration: "8" });
    const [slow, fast] = result.stages;
    assert.deepEqual([slow?.name, fast?.name], ["12 msg/s", "30 msg/s"]);
    assert.ok((fast?.deliveries ?? 0) > 1.8 * (slow?.deliveries ?? 0));
  });

  test("reconnect: all connections break twice, and nothing is missing", async (t) => {
    const { result, passed } = await load(t, "reconnect", { duration: "20" });
    assert.equal(result.resumed, 2 * CONNECTIONS);
    assert.equal(result.notRecovered, 0);
    assert.ok(result.caughtUp > 0, "messages came after a resume");
    assert.ok(passed.has("Resumed after every break"));
  });

  test("reconnect: a process of the gateway is killed, and its clients come back as a storm", async (t) => {
    const worker = gateway.process.processes().find(({ pid }) => pid !== gateway.process.pid);
    assert.ok(worker !== undefined);
    const changes = { duration: "12", rounds: "1", kill: `kill -9 ${worker.pid}` };
    const { result, passed } = await load(t, "reconnect", changes, "--at-once");
    const broken = Object.values(result.ended).reduce((sum, count) => sum + count, 0);
    assert.ok(broken > CONNECTIONS / 10 && broken < CONNECTIONS, `${broken} broke`);
    assert.equal(result.resumed, broken);
    assert.ok(passed.has("Resumed after every break") && passed.has("Every message to every subscriber"));
  });

  test("slow-clients: they are noticed, and the others do not notice", async (t) => {
    const { result, passed } = await load(t, "slow-clients", { duration: "30", slow: "0.5" });
    assert.ok(passed.has("Slow clients noticed"));
    assert.equal(result.balance?.announced, 0);
  });

  test("a market of others is checked as far as it can be", async (t) => {
    // Messages on channels that clients of a market have, and that this load test did not write.
    const feed = setInterval(
      () => void nats.publish("odin.token.BTC.trade", { price: 1 }).catch(() => {}),
      100,
    );
    t.after(() => clearInterval(feed));
    const { result, passed } = await load(t, "sustained", { duration: "8", nats: "" });
    assert.equal(result.published, 0);
    assert.ok(result.messages > 20);
    assert.ok(passed.has("Every message to every subscriber"));
    assert.ok(!passed.has("Hash of each message as published"));
  });
});
