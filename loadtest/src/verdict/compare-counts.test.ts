import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Tally } from "../client/tally.ts";
import { type Options, readOptions } from "../settings/options.ts";
import { compareCounts } from "./compare-counts.ts";
import type { GatewayFigures, GatewayWatch } from "./gateway-watch.ts";
import { Totals } from "./totals.ts";

const figures = (sent: number, connections = 0): GatewayFigures => ({
  ...{ sent, connections, dropped: 0, rejected: 0, cpuPercent: 1, memoryBytes: 1 },
});
const options = (...args: string[]) => readOptions(["sustained", ...args], {}) as Options;

/** @param more deliveries while the counts are looked at */
async function compare(given: Options, deliveries: number, more = 0) {
  const totals = new Totals(() => 0);
  const add = (count: number) => {
    const tally = new Tally();
    tally.count("deliveries", count);
    totals.add(tally.take({ open: 1, waiting: 0, entries: [], epoch: undefined }), 0);
  };
  add(deliveries);
  const said: string[] = [];
  const watch = { look: async () => figures(1100), trouble: undefined } as unknown as GatewayWatch;
  const [, counts] = await compareCounts(given, figures(100), {
    ...{ watch, totals },
    rest: async () => void said.push("rest"),
    settle: async () => add(more),
  });
  return { counts, said };
}

describe("own count and the gateways'", () => {
  test("a feed of others is ended for the clients first", async () => {
    const { counts, said } = await compare(options(), 1000);
    assert.deepEqual([counts, said], [{ gateway: 1000, least: 1000, most: 1000 }, ["rest"]]);
    assert.deepEqual((await compare(options("--nats", "nats://a"), 1000)).said, []);
  });

  test("a range that is too wide tells nothing", async () => {
    assert.deepEqual((await compare(options(), 990, 19)).counts, { gateway: 1000, least: 990, most: 1009 });
    assert.match(String((await compare(options(), 990, 30)).counts), /^2\.9 % of all deliveries came while/);
  });

  test("several gateways on one host need to be named", async () => {
    const two = ["--url", "ws://127.0.0.1:1/ws,ws://127.0.0.1:2/ws"];
    assert.deepEqual(options(...two).metrics, []);
    assert.match(String((await compare(options(...two), 1)).counts), /^2 gateways, and the \/metrics of 0/);
    const one = await compare(options(...two, "--metrics", "http://127.0.0.1:3/metrics"), 1000);
    assert.match(String(one.counts), /^2 gateways, and the \/metrics of 1: name each of them with --metrics/);
    const both = "http://127.0.0.1:3/metrics,http://127.0.0.1:4/metrics";
    assert.equal(typeof (await compare(options(...two, "--metrics", both), 1000)).counts, "object");
    assert.equal(options("--url", "ws://a/ws,ws://b/ws").metrics.length, 2);
  });
});
