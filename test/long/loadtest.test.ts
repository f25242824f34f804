/** The load test against a real gateway with a real NATS: every scenario, short, with 2,000 connections. */

import { strict as assert } from "node:assert";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { GATEWAY_METRICS } from "../../loadtest/src/gateway-watch.ts";
import type { Result } from "../../loadtest/src/result.ts";
import { METRIC } from "../../server/src/metrics.ts";
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
    gateway = await startGateway(owner, { nats });
  });

  async function load(t: TestContext, scenario: string, ...args: string[]) {
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
    };
    const flags = Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]);
    const run = new ProcessGroup(process.execPath, [CLI, scenario, ...flags, ...args], {
      PATH: process.env.PATH ?? "",
    });
    t.after(() => run.dispose());
    const { code } = await within(() => `end of ${scenario}:\n${run.tail()}`, run.exited, DEADLINE);
    const json = readdirSync(out).find((name) => name.endsWith(".json"));
    assert.ok(json !== undefined, run.tail());
    const result = JSON.parse(readFileSync(join(out, json), "utf8")) as Result;
    assert.equal(code, 0, run.tail());
    assert.equal(result.open, CONNECTIONS, run.tail());
    assert.deepEqual(run.processes(), [], "no process is left");
    return {
      result,
      passed: new Set(result.checks.flatMap(({ name, outcome }) => (outcome === "passed" ? name : []))),
    };
  }

  test("connection-rate", async (t) => {
    const { result } = await load(t, "connection-rate", "--rate", "500", "--duration", "2");
    assert.equal(result.connect.samples, CONNECTIONS);
  });

  test("sustained: all that was published reached its 242 subscribers, and the gateway counts the same", async (t) => {
    const { result, passed } = await load(t, "sustained", "--rate", "12", "--duration", "15");
    assert.ok(result.published >= 12 * 15 - 2, `${result.published}`);
    assert.equal(result.deliveries, result.published * 242);
    for (const name of [
      "Own count agrees with the gateway's",
      "Hash of each message as published",
      "Every message to every subscriber",
    ])
      assert.ok(passed.has(name), name);
  });

  test("sustained, compressed", async (t) => {
    const { result } = await load(t, "sustained", "--rate", "12", "--duration", "8", "--compression");
    assert.equal(result.deliveries, result.published * 242);
    const compressed = (await gateway.metrics()).sum(METRIC.bytesSent, { encoding: "deflate" });
    assert.ok(compressed > 0);
  });

  test("throughput: a stage for each rate", async (t) => {
    const { result } = await load(t, "throughput", "--rate", "12,30", "--duration", "8");
    const [slow, fast] = result.stages;
    assert.deepEqual([slow?.name, fast?.name], ["12 msg/s", "30 msg/s"]);
    assert.ok((fast?.deliveries ?? 0) > 1.8 * (slow?.deliveries ?? 0));
  });

  test("reconnect: all connections break twice, and nothing is missing", async (t) => {
    const { result, passed } = await load(t, "reconnect", "--duration", "24");
    assert.equal(result.resumed, 2 * CONNECTIONS);
    assert.equal(result.notRecovered, 0);
    assert.ok(result.caughtUp > 0, "messages came after a resume");
    assert.ok(passed.has("Resumed after every break"));
  });

  test("slow-clients: they are noticed, and the others do not notice", async (t) => {
    const { result, passed } = await load(t, "slow-clients", "--duration", "60", "--slow", "0.5");
    assert.ok(passed.has("Slow clients noticed"));
    assert.equal(result.balance?.announced, 0);
  });

  test("a market from the publisher of others is checked as far as it can be", async (t) => {
    // Messages on channels that clients of a market have, and that this load test did not write.
    const feed = setInterval(
      () => void nats.publish("odin.token.BTC.trade", { price: 1 }).catch(() => {}),
      50,
    );
    t.after(() => clearInterval(feed));
    const { result, passed } = await load(t, "sustained", "--duration", "8", "--nats", "");
    assert.equal(result.published, 0);
    assert.ok(result.messages > 20);
    assert.ok(passed.has("Every message to every subscriber"));
    assert.ok(!passed.has("Hash of each message as published"));
  });
});
