import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { WorkerStats } from "../client/worker-stats.ts";
import { type Options, readOptions } from "../settings/options.ts";
import { compareCounts } from "./compare-counts.ts";
import type { GatewayFigures, GatewayMetrics } from "./gateway-metrics.ts";
import { Totals } from "./totals.ts";

const figures = (sent: number, connections = 0): GatewayFigures => ({
  ...{ sent, connections, dropped: 0, rejected: 0, cpuPercent: 1, memoryBytes: 1 },
});
const options = (...args: string[]) => readOptions(["sustained", ...args], {}) as Options;

/** @param more deliveries that arrive while the counts are read */
async function compare(given: Options, deliveries: number, more = 0) {
  const totals = new Totals(() => 0);
  const add = (count: number) => {
    const stats = new WorkerStats();
    stats.count("deliveries", count);
    totals.add(stats.take({ open: 1, waiting: 0, messages: [], epoch: undefined }), 0);
  };
  add(deliveries);
  const calls: string[] = [];
  const metrics = { read: async () => figures(1100), error: undefined } as unknown as GatewayMetrics;
  const [, counts] = await compareCounts(given, figures(100), {
    ...{ metrics, totals },
    unsubscribe: async () => void calls.push("unsubscribe"),
    sample: async () => add(more),
  });
  return { counts, calls };
}

describe("comparison with the gateways' counts", () => {
  test("unsubscribes first when the feed is external", async () => {
    const { counts, calls } = await compare(options(), 1000);
    assert.deepEqual([counts, calls], [{ gateway: 1000, least: 1000, most: 1000 }, ["unsubscribe"]]);
    assert.deepEqual((await compare(options("--nats", "nats://a"), 1000)).calls, []);
  });

  test("does not compare when too many deliveries arrive meanwhile", async () => {
    assert.deepEqual((await compare(options(), 990, 19)).counts, { gateway: 1000, least: 990, most: 1009 });
    assert.match(
      String((await compare(options(), 990, 30)).counts),
      /^2\.9 % of all deliveries arrived while/,
    );
  });

  test("needs the /metrics address of each gateway when several share a host", async () => {
    const two = ["--url", "ws://127.0.0.1:1/ws,ws://127.0.0.1:2/ws"];
    assert.deepEqual(options(...two).metrics, []);
    assert.match(
      String((await compare(options(...two), 1)).counts),
      /^there are 2 gateways but 0 \/metrics pages/,
    );
    const one = await compare(options(...two, "--metrics", "http://127.0.0.1:3/metrics"), 1000);
    assert.match(
      String(one.counts),
      /^there are 2 gateways but 1 \/metrics pages: name the page of each gateway with --metrics/,
    );
    const both = "http://127.0.0.1:3/metrics,http://127.0.0.1:4/metrics";
    assert.equal(typeof (await compare(options(...two, "--metrics", both), 1000)).counts, "object");
    assert.equal(options("--url", "ws://a/ws,ws://b/ws").metrics.length, 2);
  });
});
