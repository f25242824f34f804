import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { GLOBAL_EVENTS, parseSubject, TOKEN_EVENTS } from "@odin-ws/protocol";
import fc from "fast-check";
import { encodeEvent } from "../encode.ts";
import { Market, type MarketEvent, startMarket } from "./market.ts";
import { tokenName } from "./tokens.ts";

const NOON = Date.UTC(2026, 0, 1, 12);

/** `count` events at 12 a second. */
function run(market: Market, count: number, start = NOON): MarketEvent[] {
  return Array.from({ length: count }, (_, n) => market.next(start + Math.round((n * 1_000) / 12)));
}

const sizeOf = ({ data }: MarketEvent): number => Buffer.byteLength(JSON.stringify(data));

test("the same seed and times give the same market, another seed gives another market", () => {
  const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(seeds, fc.integer({ min: 1, max: 300 }), (seed, tokens) => {
      const [one, two] = [new Market({ seed, tokens }), new Market({ seed, tokens })];
      assert.deepEqual(run(one, 50), run(two, 50));
      assert.deepEqual(one.trending(NOON), two.trending(NOON));
    }),
    { numRuns: 30 },
  );
  const bodies = (seed: number) => JSON.stringify(run(new Market({ seed }), 50).map(({ data }) => data));
  assert.notEqual(bodies(1), bodies(2));
  assert.notEqual(bodies(1), bodies(1 + 2 ** 32));
});

test("ids are unique, also among runs with the same seed", () => {
  const ids = [...run(new Market(), 2_000), ...run(new Market(), 2_000, NOON + 7)].map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

test("all kinds of events occur, trades most often, and each can be published", () => {
  const market = new Market({ seed: 5 });
  const events = run(market, 20_000);
  const counts = Map.groupBy(events, ({ event }) => event);
  const share = (event: string) => (counts.get(event)?.length ?? 0) / events.length;
  assert.deepEqual(
    [...counts.keys()].toSorted(),
    [...TOKEN_EVENTS, ...GLOBAL_EVENTS].filter((event) => event !== "trending").toSorted(),
  );
  assert.ok(share("trade") > 0.55 && share("trade") < 0.7, `${share("trade")}`);
  assert.ok(share("creation") > 0.001 && share("creation") < 0.02, `${share("creation")}`);
  assert.ok(Math.abs((counts.get("creation")?.length ?? 0) - (counts.get("new_listing")?.length ?? 0)) <= 1);
  for (const event of [...events, market.trending(NOON)]) {
    assert.equal(parseSubject(event.subject)?.event, event.event);
    encodeEvent(event);
  }
});

test("a token that was created is listed next and then traded", () => {
  const events = run(new Market({ seed: 2, tokens: 20 }), 5_000);
  const created = events.findIndex(({ event }) => event === "creation");
  const symbol = events[created]?.subject.split(".")[2];
  const listing = events[created + 1];
  assert.equal(listing?.subject, "odin.global.new_listing");
  assert.equal((listing?.data as { symbol: string } | undefined)?.symbol, symbol);
  assert.ok(events.slice(created).some(({ subject }) => subject === `odin.token.${symbol}.trade`));
});

test("the market keeps its size and its established tokens", () => {
  const market = new Market({ seed: 3, tokens: 40 });
  const before = market.symbols;
  run(market, 20_000);
  assert.equal(new Set(market.symbols).size, 40);
  assert.deepEqual(market.symbols.slice(0, 20), before.slice(0, 20));
  assert.notDeepEqual(market.symbols, before);
  const small = new Market({ tokens: 1 });
  run(small, 2_000);
  assert.deepEqual(small.symbols, ["BTC"]);
});

test("symbols are unique, start with the majors and are channels", () => {
  const symbols = Array.from({ length: 2_000 }, (_, n) => tokenName(n).symbol);
  assert.deepEqual(symbols.slice(0, 3), ["BTC", "ETH", "SOL"]);
  assert.equal(new Set(symbols).size, symbols.length);
  for (const symbol of symbols) assert.match(symbol, /^[A-Z0-9]{2,16}$/);
});

test("prices change and stay within their limits", () => {
  const prices = new Map<string, number[]>();
  for (const { event, subject, data } of run(new Market({ seed: 11 }), 40_000)) {
    if (event !== "trade") continue;
    const list = prices.get(subject);
    const { price } = data as { price: number };
    if (list === undefined) prices.set(subject, [price]);
    else list.push(price);
  }
  for (const [subject, list] of prices) {
    assert.ok(list.every((price) => price > 0 && Number.isFinite(price)));
    assert.ok(Math.max(...list) / Math.min(...list) < Math.exp(4.001), subject);
    if (list.length > 10) assert.ok(new Set(list).size > list.length / 2, subject);
  }
  const btc = prices.get("odin.token.BTC.trade") ?? [];
  assert.ok(Math.min(...btc) > 10_000 && Math.max(...btc) < 500_000);
});

test("bodies have realistic sizes", () => {
  const market = new Market({ seed: 4 });
  for (const event of run(market, 5_000)) {
    const size = sizeOf(event);
    assert.ok(size >= 30 && size <= 400, `${event.event}: ${size} bytes`);
    if (event.event === "trade") assert.ok(size >= 200, `${size} bytes`);
  }
  const trending = market.trending(NOON);
  assert.ok(sizeOf(trending) > 10_000 && sizeOf(trending) < 20_000, `${sizeOf(trending)} bytes`);
});

test("the trending list has the 100 tokens with the largest volume, or all tokens", () => {
  const rows = new Market({ seed: 4 }).trending(NOON).data as {
    rank: number;
    symbol: string;
    volume24h: number;
  }[];
  assert.equal(rows.length, 100);
  assert.equal(new Set(rows.map(({ symbol }) => symbol)).size, 100);
  assert.deepEqual(
    rows.map(({ rank }) => rank),
    rows.map((_, index) => index + 1),
  );
  const volumes = rows.map(({ volume24h }) => volume24h);
  assert.deepEqual(
    volumes,
    volumes.toSorted((a, b) => b - a),
  );
  assert.equal((new Market({ tokens: 7 }).trending(NOON).data as object[]).length, 7);
});

test("wrong numbers are refused", () => {
  for (const tokens of [0, 1.5, Number.NaN, 100_001])
    assert.throws(() => new Market({ tokens }), /tokens must be/);
  for (const seed of [-1, 0.5, Number.NaN]) assert.throws(() => new Market({ seed }), /seed must be/);
  const paused = startMarket({ rate: 0 }, () => {});
  for (const rate of [-1, Number.NaN, 100_001]) {
    assert.throws(() => startMarket({ rate }, () => {}), /rate must be/);
    assert.throws(() => paused.setRate(rate), /rate must be/);
  }
  assert.throws(() => startMarket({ rate: 1, trendingSeconds: 0 }, () => {}), /trendingSeconds must be/);
});

test("a running market emits the trending list at once and events at its rate, until its listener stops it", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const events: MarketEvent[] = [];
  const start = performance.now();
  const market = startMarket({ rate: 1_000, seed: 1 }, (event) => {
    events.push(event);
    if (events.length < 501) return;
    market.stop();
    resolve(performance.now() - start);
  });
  const took = await promise;
  assert.equal(events[0]?.event, "trending");
  assert.equal(events.length, 501, "no event comes after stop()");
  assert.ok(took >= 490, `500 events at 1,000/s took ${took} ms`);
});

test("the rate changes while the market runs; 0 pauses all events", async () => {
  let events = 0;
  const count = async (ms: number): Promise<{ emitted: number; took: number }> => {
    const [before, start] = [events, performance.now()];
    await sleep(ms);
    return { emitted: events - before, took: performance.now() - start };
  };
  const market = startMarket({ rate: 0, trendingSeconds: 0.1 }, () => {
    events++;
  });
  assert.equal((await count(150)).emitted, 0, "the market starts paused");
  for (const rate of [400, 40]) {
    market.setRate(rate);
    const { emitted, took } = await count(1_000);
    // In addition to the events of this rate, a trending list is emitted every 100 ms.
    const expected = ((rate + 10) * took) / 1_000;
    assert.ok(emitted > expected * 0.8 && emitted < expected * 1.2, `${emitted} instead of ${expected}`);
  }
  market.setRate(0);
  assert.equal((await count(300)).emitted, 0, "paused");
  market.setRate(100);
  assert.ok((await count(300)).emitted < 40, "events of the pause are not emitted late");
  market.stop();
  market.setRate(1_000);
  assert.equal((await count(100)).emitted, 0, "a stopped market emits no event");
});

test("a rate that the listener sets is used at once", async () => {
  let events = 0;
  const market = startMarket({ rate: 100_000 }, () => {
    if (++events === 5) market.setRate(0);
  });
  await sleep(100);
  assert.equal(events, 5);
});

/** All modules that a file imports, directly or indirectly. */
async function importsOf(url: URL, found = new Set<string>()): Promise<Set<string>> {
  for (const [, name = ""] of (await readFile(url, "utf8")).matchAll(/ from "([^"]+)"/g)) {
    if (found.has(name)) continue;
    found.add(name);
    if (name.startsWith(".")) await importsOf(new URL(name, url), found);
  }
  return found;
}

test("the market does not import NATS, because the gateway embeds the market", async () => {
  const imports = await importsOf(new URL("market.ts", import.meta.url));
  assert.deepEqual(
    [...imports].filter((name) => !name.startsWith(".")),
    ["@odin-ws/protocol"],
  );
});
