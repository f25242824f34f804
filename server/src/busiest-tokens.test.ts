import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { AggregatorRegistry, Registry } from "prom-client";
import { BusiestTokens } from "./busiest-tokens.ts";
import { steadyClock } from "./clock.ts";
import type { MetricsSnapshot } from "./process/fleet.ts";

const OPTIONS = { name: "busiest", help: "messages" };
const MINUTE_MS = 60_000;

/** A gauge on a clock that the test sets. */
function start(t: TestContext) {
  let now = 1_000_000;
  t.mock.method(steadyClock, "now", () => now);
  const registry = new Registry();
  const busiest = new BusiestTokens(registry, OPTIONS);
  const count = (token: string, messages: number) => {
    for (let n = 0; n < messages; n++) busiest.count(`${token}.trade`);
  };
  const pass = (ms: number) => {
    now += ms;
  };
  return { busiest, registry, count, pass };
}

test("the ten tokens with the most messages are series of a gauge, whatever else is published", async (t) => {
  const { busiest, registry, count } = start(t);
  for (let n = 1; n <= 40; n++) count(`T${n}`, n);
  busiest.count("T40.metadata");
  for (let n = 0; n < 100; n++) busiest.count("global.trending");
  assert.deepEqual(
    busiest.top,
    [41, 39, 38, 37, 36, 35, 34, 33, 32, 31].map((messages, rank) => [`T${40 - rank}`, messages]),
  );
  const lines = (await registry.metrics()).split("\n").filter((line) => line !== "");
  assert.deepEqual(lines.slice(0, 3), [
    "# HELP busiest messages",
    "# TYPE busiest gauge",
    'busiest{token="T40"} 41',
  ]);
  assert.equal(lines.length, 12);
});

test("a message counts for four to five minutes", (t) => {
  const { busiest, count, pass } = start(t);
  count("OLD", 5);
  pass(MINUTE_MS);
  count("NEW", 3);
  assert.deepEqual(busiest.top, [
    ["OLD", 5],
    ["NEW", 3],
  ]);
  pass(3 * MINUTE_MS);
  count("NEW", 1);
  assert.deepEqual(busiest.top, [
    ["OLD", 5],
    ["NEW", 4],
  ]);
  pass(MINUTE_MS);
  assert.deepEqual(busiest.top, [["NEW", 4]], "without a new message, too");
  pass(MINUTE_MS * 60);
  assert.deepEqual(busiest.top, []);
  count("LATE", 1);
  assert.deepEqual(busiest.top, [["LATE", 1]]);
});

test("among very many tokens, the busy ones are found", (t) => {
  const { busiest, count } = start(t);
  const rounds = 10;
  const rare = 2500; // more than are counted
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < rare; n++) count(`RARE${round * rare + n}`, 1);
    for (let n = 1; n <= 10; n++) count(`BUSY${n}`, n + 1);
  }
  const total = rounds * (rare + 65);
  const found = busiest.top;
  assert.deepEqual(
    found.map(([token]) => token).sort(),
    Array.from({ length: 10 }, (_, n) => `BUSY${n + 1}`).sort(),
  );
  for (const [token, messages] of found) {
    const published = rounds * (Number(token.slice(4)) + 1);
    assert.ok(
      messages <= published && messages >= published - total / 2000,
      `${token}: ${messages} of ${published}`,
    );
  }
});

test("added up over a primary and its workers, which count nothing, the series are those of the primary", async (t) => {
  const { registry, count } = start(t);
  count("BTC", 7);
  const worker = new Registry();
  new BusiestTokens(worker, OPTIONS);
  const snapshots = await Promise.all(
    [registry, worker].map(async (one) => structuredClone((await one.getMetricsAsJSON()) as unknown)),
  );
  const text = await AggregatorRegistry.aggregate(snapshots as MetricsSnapshot[]).metrics();
  assert.match(text, /^busiest\{token="BTC"\} 7$/m);
  assert.equal(text.match(/^busiest/gm)?.length, 1);
  registry.resetMetrics();
  assert.doesNotMatch(await registry.metrics(), /^busiest\{/m);
});
