/**
 * The load test against a real gateway and a real NATS: a short run of every scenario with 2,000 connections.
 */

import { strict as assert } from "node:assert";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GATEWAY_METRICS } from "../../loadtest/src/verdict/gateway-metrics.ts";
import type { Result } from "../../loadtest/src/verdict/result.ts";
import { METRIC } from "../../server/src/metrics.ts";
import { openPage, withoutBrowser } from "../harness/browser.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats, withoutNats } from "../harness/nats.ts";
import { suiteOwner } from "../harness/owner.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { within } from "../harness/wait.ts";

const CLI = fileURLToPath(new URL("../../loadtest/src/cli.ts", import.meta.url));
const LOSS = "Every message reached every subscriber";
const CONNECTIONS = 2000;
const DEADLINE_MS = 300_000; // 5 min; a run takes less than one minute on an idle machine

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
    // Slow clients recover in seconds.
    const env = { WS_WORKER_POOL_SIZE: "2", WS_THROTTLE_RECOVERY_SECONDS: "2" };
    gateway = await startGateway(owner, { nats, env });
  });

  /** Runs the load test and asserts that it passed with all connections open. */
  async function load(
    t: TestContext,
    scenario: string,
    changes: Record<string, string>,
    ...switches: string[]
  ) {
    const run = await runLoadTest(t, scenario, changes, ...switches);
    assert.equal(run.code, 0, run.output);
    assert.equal(run.result.open, CONNECTIONS, run.output);
    return run;
  }

  /** Runs the load test, which may fail. `changes` replaces options; an empty value leaves an option out. */
  async function runLoadTest(
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
      "connect-rate": "1000",
      // Other tests keep the machine busy, so latency is not checked.
      "max-p99": "60000",
      out,
      ...changes,
    };
    const flags = Object.entries(given).flatMap(([name, value]) =>
      value === "" ? [] : [`--${name}`, value],
    );
    const run = new ProcessGroup(process.execPath, [CLI, scenario, ...flags, ...switches], {
      PATH: process.env.PATH ?? "",
    });
    t.after(() => run.dispose());
    const { code } = await within(() => `end of ${scenario}:\n${run.tail()}`, run.exited, DEADLINE_MS);
    const file = (ending: string) =>
      join(out, readdirSync(out).find((name) => name.endsWith(ending)) ?? ending);
    assert.notEqual(readdirSync(out).length, 0, run.tail());
    const result = JSON.parse(readFileSync(file(".json"), "utf8")) as Result;
    assert.deepEqual(run.processes(), [], "no process is left");
    return {
      code,
      output: run.tail(),
      result,
      page: pathToFileURL(file(".html")).href,
      passed: new Set(result.checks.flatMap(({ name, outcome }) => (outcome === "passed" ? name : []))),
    };
  }

  test("sustained: every message reached its 242 subscribers, the gateway's count agrees, and a browser shows the report", async (t) => {
    const { result, passed, page } = await load(t, "sustained", { duration: "8" });
    assert.ok(result.published >= 8 * 12 - 2, `${result.published}`);
    assert.equal(result.deliveries, result.published * 242);
    for (const name of [
      "Delivery count matches the gateway's metrics",
      "Content hash of each message",
      LOSS,
      "Delivery count matches published messages",
    ])
      assert.ok(passed.has(name), name);
    const missing = withoutBrowser();
    if (missing !== false) return t.skip(missing);
    // The page's content security policy allows only its own style and script. A violation would be an error
    // here.
    const { page: shown, errors } = await openPage(t, page);
    assert.equal(await shown.locator("strong.verdict").innerText(), "Passed");
    const plot = shown.locator(".plot").first();
    await plot.hover({ position: { x: 400, y: 80 } }); // a time when all connections are open
    await plot.locator(".tip").waitFor({ state: "visible" });
    assert.match(await plot.locator(".tip").innerText(), /open\s+2,000/);
    const colors = (await shown.evaluate(
      "[...document.querySelectorAll('path[stroke]')].map((path) => getComputedStyle(path).stroke)",
    )) as string[];
    assert.ok(colors.length > 20 && colors.every((color) => /^(rgb|none)/.test(color)));
    assert.deepEqual(errors, []);
  });

  test("throughput, compressed: a stage for each rate", async (t) => {
    const { result } = await load(t, "throughput", { rate: "12,30", duration: "5" }, "--compression");
    const [slow, fast] = result.stages;
    assert.deepEqual([slow?.name, fast?.name], ["12 msg/s", "30 msg/s"]);
    assert.ok((fast?.deliveries ?? 0) > 1.8 * (slow?.deliveries ?? 0));
    assert.equal(result.deliveries, result.published * 242);
    const compressed = (await gateway.metrics()).sum(METRIC.bytesSent, { encoding: "deflate" });
    assert.ok(compressed > 0);
  });

  test("compact encoding: every message is decoded and checked, also after a break", async (t) => {
    const changes = { duration: "10", rounds: "1" };
    const { result, passed } = await load(t, "reconnect", changes, "--compact");
    assert.equal(result.command.compact, true);
    assert.equal(result.resumed, CONNECTIONS);
    for (const name of ["Content hash of each message", LOSS]) assert.ok(passed.has(name), name);
    const sent = async (encoding: string) => (await gateway.metrics()).sum(METRIC.bytesSent, { encoding });
    assert.ok((await sent("compact")) > 0);
  });

  for (const encoding of ["--compression", "--compact"])
    test(`last values and a rate, ${encoding}: the newest message of each channel comes, also after a break`, async (t) => {
      const changes = { connections: "500", duration: "10", rounds: "1", rate: "100", "max-rate": "1" };
      const { result, passed, code, output } = await runLoadTest(t, "reconnect", changes, "--last", encoding);
      assert.equal(code, 0, output);
      assert.equal(result.resumed, 500);
      const { lost, leftOut } = result.deliverySummary;
      assert.equal(lost, 0);
      // Each channel has three messages a second. The resume brings those that were missed, without a limit.
      assert.ok(leftOut > result.deliveries / 2, `${leftOut} of ${result.deliveries}`);
      // 32 channels with 61 subscribers each.
      assert.ok(result.lastValues >= 32 * 61, `${result.lastValues}`);
      for (const name of [LOSS, "Last values arrived", "No channel more often than --max-rate"])
        assert.ok(passed.has(name), name);
    });

  test("a rate: each message was delivered or replaced by a newer one", async (t) => {
    const changes = { connections: "500", duration: "8", rate: "100", "max-rate": "1" };
    const { result, passed, code, output } = await runLoadTest(t, "sustained", changes);
    assert.equal(code, 0, output);
    assert.equal(result.deliveries + result.deliverySummary.leftOut, result.published * 61);
    for (const name of [
      "Delivery count matches published messages",
      "Delivery count matches the gateway's metrics",
    ])
      assert.ok(passed.has(name), name);
  });

  test("slow-clients, conflated: slow clients get the newest message of each channel, the others get all", async (t) => {
    const env = { WS_THROTTLE_POLICY: "conflate" };
    const conflating = await startGateway(owner, { nats, env });
    const changes = {
      url: conflating.url,
      metrics: `http://127.0.0.1:${conflating.opsPort}/metrics`,
      connections: "500",
      duration: "30",
      slow: "1",
    };
    const { result, code, output, passed } = await runLoadTest(t, "slow-clients", changes, "--conflate");
    assert.equal(code, 0, output);
    assert.ok(result.deliverySummary.slowLeftOut > 0);
    assert.equal(result.deliverySummary.leftOut, 0);
    for (const name of [LOSS, "Only slow clients had messages left out"]) assert.ok(passed.has(name), name);
  });

  test("reconnect: all connections break twice, and no message is lost", async (t) => {
    const { result, passed } = await load(t, "reconnect", { duration: "14" });
    assert.equal(result.resumed, 2 * CONNECTIONS);
    assert.equal(result.notRecovered, 0);
    assert.ok(result.caughtUp > 0, "messages arrived after a resume");
    assert.ok(passed.has("Resumed after every break"));
  });

  test("reconnect: a worker process of the gateway is killed, and its clients reconnect all at once", async (t) => {
    const worker = gateway.process.processes().find(({ pid }) => pid !== gateway.process.pid);
    assert.ok(worker !== undefined);
    const changes = { duration: "8", kill: `kill -9 ${worker.pid}` };
    const { result, passed } = await load(t, "reconnect", changes, "--at-once");
    const broken = Object.values(result.ended).reduce((sum, count) => sum + count, 0);
    assert.ok(broken > CONNECTIONS / 10 && broken < CONNECTIONS, `${broken} broke`);
    assert.equal(result.resumed, broken);
    assert.ok(passed.has("Resumed after every break") && passed.has(LOSS));
  });

  test("an external feed: loss is checked, the content hash is not", async (t) => {
    // Publishes on a channel that clients of an external feed subscribe to.
    const feed = setInterval(
      () => void nats.publish("odin.token.BTC.trade", { price: 1 }).catch(() => {}),
      100,
    );
    t.after(() => clearInterval(feed));
    const { result, passed } = await load(t, "sustained", { duration: "5", nats: "" });
    assert.equal(result.published, 0);
    assert.ok(result.messages > 20);
    assert.ok(passed.has(LOSS));
    assert.ok(!passed.has("Content hash of each message"));
  });

  // These tests mostly wait, so they run at the same time.
  describe("at the same time", { concurrency: 3 }, () => {
    test("connection-rate", async (t) => {
      const { result } = await load(t, "connection-rate", { rate: "500", duration: "2" });
      assert.equal(result.connect.samples, CONNECTIONS);
    });

    test("slow-clients: slow clients are detected, and the others lose nothing", async (t) => {
      const { result, passed } = await load(t, "slow-clients", { duration: "30", slow: "0.5" });
      assert.ok(passed.has("Slow clients detected"));
      assert.equal(result.deliverySummary.dropped, 0);
    });

    test("a gateway that loses the stream just before the end does not pass", async (t) => {
      // This test has its own stream: two load tests on one stream would receive each other's messages.
      const stream = await startNats(owner);
      const line = await startFreezableProxy(t, Number(new URL(stream.url).port));
      const env = { NATS_URL: line.url };
      const cutOff = await startGateway(owner, { env });
      const changes = {
        url: cutOff.url,
        metrics: `http://127.0.0.1:${cutOff.opsPort}/metrics`,
        nats: stream.url,
        connections: "200",
        workers: "1",
        duration: "8",
        rate: "30",
      };
      const run = runLoadTest(t, "sustained", changes);
      const messages = async () => (await cutOff.metrics()).sum(METRIC.messagesSent);
      // Waits for 5 s of traffic to 24 subscribers.
      while ((await messages()) < 5 * 30 * 24) await new Promise((resolve) => setTimeout(resolve, 100));
      line.freeze();
      const { result, code, output } = await run;
      assert.equal(code, 1, output);
      const lost = result.published * 24 - result.deliveries;
      assert.ok(
        lost > 24 * 30 && result.deliverySummary.lost === lost,
        `${lost} of ${result.published}\n${output}`,
      );
      assert.ok(!result.checks.some(({ name, outcome }) => name === LOSS && outcome === "passed"));
    });
  });
});

/** Starts a TCP proxy to a port of this machine. `freeze` stops all data without closing a connection. */
async function startFreezableProxy(t: TestContext, port: number): Promise<{ url: string; freeze(): void }> {
  const sockets: Socket[] = [];
  let frozen = false;
  const server = createServer((near) => {
    sockets.push(near);
    near.on("error", () => {});
    if (frozen) return;
    const far = connect(port, "127.0.0.1");
    sockets.push(far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    freeze: () => {
      frozen = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}
