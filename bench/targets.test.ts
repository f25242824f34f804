import assert from "node:assert/strict";
import { test } from "node:test";
import type { Figures } from "./figures.ts";
import { verdicts } from "./targets.ts";

const KB = 1024;
const NAMES: readonly (keyof Figures)[] = [
  "served",
  "connectionsPerSecond",
  "rssEmpty",
  "rssIdle",
  "rssAfter",
  "idlePercent",
  "cpu12",
  "cpu30",
  "cpuEveryone",
  "raw12",
  "raw30",
  "p50",
  "p99",
  "p99at30",
  "lastMs",
  "bytes",
  "trendingBytes",
  "busy800",
  "busy800p99",
  "burst800",
  "burst800p99",
  "busy100",
  "busy100p99",
];
/** Figures that meet every target exactly at its limit, when all subjects have them. */
const figures = (changed: Partial<Figures> = {}): Figures =>
  ({
    ...Object.fromEntries(NAMES.map((name) => [name, 10])),
    served: 100,
    connectionsPerSecond: 500,
    rssIdle: 12 * KB,
    rssAfter: 16 * KB,
    ...changed,
  }) as Figures;
/** What a run measures in which every target is met. */
const good = (): Record<string, Figures> => ({
  gateway: figures({ trendingBytes: 100, busy800: 6, burst800: 6, busy100: 7 }),
  "gateway-deflate": figures({ trendingBytes: 40 }),
  "gateway-compact": figures({ rssIdle: 13 * KB, busy800: 6.6, burst800: 6.6, busy100: 7.7 }),
  "gateway-delay": figures({ busy800: 1, burst800: 1, busy100: 1 }),
  ws: figures(),
  nats: figures(),
});
const judge = (all: Record<string, Figures>) => verdicts(new Map(Object.entries(all)), 100);
/** Targets that are not met. */
const missed = (changed: Record<string, Partial<Figures>>) => {
  const all = good();
  for (const [name, fields] of Object.entries(changed)) all[name] = { ...(all[name] as Figures), ...fields };
  return judge(all)
    .filter(({ met }) => met === false)
    .map(({ target }) => target);
};

test("a run at all limits meets every target", () => {
  const all = judge(good());
  assert.deepEqual(
    all.filter(({ met }) => met !== true),
    [],
  );
  assert.equal(new Set(all.map(({ target }) => target)).size, all.length);
});

test("each target is missed when its own figure is worse", () => {
  const cases: [Record<string, Partial<Figures>>, string[]][] = [
    [{ gateway: { rssIdle: 12.1 * KB } }, ["memory per connection, idle, plain"]],
    [{ "gateway-deflate": { rssIdle: 12.1 * KB } }, ["memory per connection, idle, compressed"]],
    [{ "gateway-deflate": { rssAfter: 16.1 * KB } }, ["memory per connection, after compressed traffic"]],
    [{ ws: { cpu12: 9.9 } }, ["CPU per delivery, plain, 12 msg/s"]],
    [{ ws: { cpu30: 9.9 } }, ["CPU per delivery, plain, 30 msg/s"]],
    [{ ws: { cpuEveryone: 9.9 } }, ["CPU per delivery, plain, one to all"]],
    [{ "gateway-deflate": { cpu30: 13.1 } }, ["CPU per delivery, compressed, 30 msg/s"]],
    [{ "gateway-compact": { rssIdle: 13.1 * KB } }, ["memory per connection, idle, compact"]],
    [{ "gateway-compact": { cpu12: 11.1 } }, ["CPU per delivery, compact, 12 msg/s"]],
    [{ "gateway-compact": { cpuEveryone: 11.1 } }, ["CPU per delivery, compact, one to all"]],
    [{ "gateway-compact": { burst800: 6.7 } }, ["CPU per delivery, compact, 800 msg/s in bursts"]],
    [{ nats: { busy800: 9.9 } }, ["CPU per delivery, plain, 800 msg/s to 200"]],
    [{ nats: { busy100: 9.9 } }, ["CPU per delivery, plain, 100 msg/s to 1,210"]],
    [{ "gateway-delay": { burst800: 6.1 } }, ["CPU per delivery, with a write delay, 800 msg/s in bursts"]],
    [{ "gateway-deflate": { served: 99 } }, ["connections served"]],
    [{ gateway: { connectionsPerSecond: 499 } }, ["new connections"]],
    [{ gateway: { p99: 50 } }, ["latency p99, 12 msg/s"]],
    [{ "gateway-deflate": { trendingBytes: 41 } }, ["trending, compressed"]],
  ];
  for (const [worse, expected] of cases) assert.deepEqual(missed(worse), expected, JSON.stringify(worse));
});

test("what was not measured is neither met nor missed", () => {
  const { gateway } = good() as { gateway: Figures };
  const alone = judge({ gateway: { ...gateway, busy800: Number.NaN } });
  const known = alone.filter(({ met }) => met !== undefined).map(({ target }) => target);
  assert.deepEqual(known, ["memory per connection, idle, plain"]);
  const { nats } = good() as { nats: Figures };
  const verdict = judge({ gateway: { ...gateway, busy800: Number.NaN }, nats }).find(
    ({ target }) => target === "CPU per delivery, plain, 800 msg/s to 200",
  );
  assert.deepEqual([verdict?.value, verdict?.met], [undefined, undefined]);
});
