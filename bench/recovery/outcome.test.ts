import assert from "node:assert/strict";
import { test } from "node:test";
import type { Counts } from "./load-messages.ts";
import { outcomeOf, paceOf, tableOf } from "./outcome.ts";
import { SCENARIOS, type Scenario } from "./scenarios.ts";
import { PEERS, type Peer } from "./servers.ts";

const [jitter] = SCENARIOS as [Scenario];
const [odin, socketio] = PEERS as [Peer, Peer];
const COUNTS: Counts = {
  clients: 100,
  due: 1000,
  inOrder: 1000,
  wrong: 0,
  lossy: 0,
  outagesMs: Array.from({ length: 100 }, (_, n) => 1000 - 10 * n),
  overtaken: 0,
  neverBack: 0,
  overHttp: 0,
  backPerSecond: { 9: 100, 10: 30, 11: 60, 12: 10 },
  heartbeats: 200,
  connectedSeconds: 1500,
};
const SEEN = { from: 10_000, cores: { servers: 0.94, clients: 1, others: 0.05 } };
const misses = (change: Partial<Counts>) => outcomeOf(jitter, odin, { ...COUNTS, ...change }, SEEN).misses;

test("quantiles of the outages, and the time between two heartbeats", () => {
  const { p50Ms, p95Ms, p99Ms, worstMs, heartbeatSeconds } = outcomeOf(jitter, odin, COUNTS, SEEN);
  assert.deepEqual([p50Ms, p95Ms, p99Ms, worstMs, heartbeatSeconds], [500, 950, 990, 1000, 7.5]);
});

test("each goal of the gateway can be missed; peers have no goals", () => {
  assert.deepEqual(misses({}), []);
  assert.deepEqual(misses({ inOrder: 999 }), ["99.9 % in order, not 100"]);
  assert.deepEqual(misses({ wrong: 1 }), ["1 messages came twice or in the wrong order"]);
  assert.deepEqual(misses({ neverBack: 2 }), ["2 clients never came back"]);
  assert.deepEqual(misses({ overHttp: 3 }), ["3 clients received over HTTP"]);
  assert.deepEqual(misses({ outagesMs: [1, 1001] }), ["p99 1001 ms, goal 1000 ms"]);
  assert.deepEqual(misses({ outagesMs: [] }), ["no client had an outage", "p99 NaN ms, goal 1000 ms"]);
  assert.deepEqual(outcomeOf(jitter, socketio, { ...COUNTS, inOrder: 1 }, SEEN).misses, []);
});

test("the table does not round a loss away", () => {
  const table = tableOf(
    [outcomeOf(jitter, odin, { ...COUNTS, due: 1_000_000, inOrder: 999_999 }, SEEN)],
    () => "x",
  );
  assert.match(table, /\| x \| 99\.99 % \| 0\.50 s \| 0\.95 s \| 0\.99 s \| 1\.00 s \| 0 \| 0 \|/);
});

test("the pace counts from the beginning of the scenario", () => {
  assert.equal(
    paceOf(outcomeOf(jitter, odin, COUNTS, SEEN), "x"),
    "x: at most 60 clients were back in a second; busiest second: servers 0.9 cores, clients 1.0, NATS and the rest 0.1; 0 clients received over HTTP; a heartbeat each 7.5 s",
  );
});
