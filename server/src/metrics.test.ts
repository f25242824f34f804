import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AggregatorRegistry, Histogram, Registry } from "prom-client";
import { createMetrics, METRIC, WeightedHistogram } from "./metrics.ts";
import type { MetricsSnapshot } from "./process/fleet.ts";

const BUCKETS = [0.001, 0.01, 0.1, 1];
const OPTIONS = { name: "latency_seconds", help: "time", buckets: BUCKETS };
const snapshot = async (registry: Registry) =>
  structuredClone((await registry.getMetricsAsJSON()) as unknown) as MetricsSnapshot;

/** Returns the samples of a text in Prometheus' format. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

const observations = fc.array(
  fc.record({
    value: fc.oneof(fc.constantFrom(0, ...BUCKETS), fc.double({ min: 0, max: 3, noNaN: true })),
    weight: fc.integer({ min: 1, max: 70 }),
  }),
  { maxLength: 20 },
);

function close(actual: Map<string, number>, expected: Map<string, number>): void {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  for (const [key, value] of expected) {
    assert.ok(
      Math.abs((actual.get(key) as number) - value) < 1e-6,
      `${key}: ${actual.get(key)}, not ${value}`,
    );
  }
}

test("a weighted observation gives the same values as single observations with prom-client", async () => {
  await fc.assert(
    fc.asyncProperty(observations, async (list) => {
      const [weighted, plain] = [new Registry(), new Registry()];
      const histogram = new WeightedHistogram(weighted, OPTIONS);
      const model = new Histogram({ ...OPTIONS, registers: [plain] });
      for (const { value, weight } of list) {
        histogram.observe(value, weight);
        for (let i = 0; i < weight; i++) model.observe(value);
      }
      close(samples(await weighted.metrics()), samples(await plain.metrics()));
    }),
    { numRuns: 30 },
  );
});

test("the text has the type histogram, help, cumulative buckets, sum and count", async () => {
  const registry = new Registry();
  const histogram = new WeightedHistogram(registry, OPTIONS);
  histogram.observe(0.01, 3);
  histogram.observe(5, 2);
  const text = await registry.metrics();
  assert.match(text, /^# HELP latency_seconds time$/m);
  assert.match(text, /^# TYPE latency_seconds histogram$/m);
  assert.deepEqual(
    [...samples(text)],
    [
      ['latency_seconds_bucket{le="0.001"}', 0],
      ['latency_seconds_bucket{le="0.01"}', 3],
      ['latency_seconds_bucket{le="0.1"}', 3],
      ['latency_seconds_bucket{le="1"}', 3],
      ['latency_seconds_bucket{le="+Inf"}', 5],
      ["latency_seconds_sum", 10.03],
      ["latency_seconds_count", 5],
    ],
  );
  registry.resetMetrics();
  assert.equal(samples(await registry.metrics()).get("latency_seconds_count"), 0);
});

test("the histograms of several processes are added up", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(observations, { minLength: 1, maxLength: 4 }), async (processes) => {
      const [one, ...others] = processes.map((list) => {
        const registry = new Registry();
        const histogram = new WeightedHistogram(registry, OPTIONS);
        for (const { value, weight } of list) histogram.observe(value, weight);
        return registry;
      });
      assert.ok(one);
      const all = new Registry();
      const sum = new WeightedHistogram(all, OPTIONS);
      for (const { value, weight } of processes.flat()) sum.observe(value, weight);
      const snapshots = await Promise.all([one, ...others].map(snapshot));
      close(samples(await AggregatorRegistry.aggregate(snapshots).metrics()), samples(await all.metrics()));
    }),
    { numRuns: 30 },
  );
});

test("aggregated over a primary and two workers, every metric is present once", async (t) => {
  const registries = [new Registry(), new Registry(), new Registry()];
  const [primary, ...workers] = registries.map(createMetrics);
  t.after(() => {
    for (const registry of registries) registry.clear();
  });
  primary?.natsConnected.set(1);
  primary?.capacityRatio.set(0.25);
  for (const worker of workers) {
    worker.connectionsCurrent.set(40);
    worker.connectionsRejected.inc({ reason: "token" }, 2);
    worker.messagesSent.inc({ event: "trade", encoding: "plain" }, 100);
    worker.messageLatency.observe(0.02, 50);
    worker.throttleTransitions.inc({ from_level: 0, to_level: 1 });
  }
  const text = await AggregatorRegistry.aggregate(await Promise.all(registries.map(snapshot))).metrics();
  const seen = samples(text);
  assert.equal(seen.get("ws_connections_current"), 80);
  assert.equal(seen.get('ws_connections_rejected_total{reason="token"}'), 4);
  assert.equal(
    seen.get('ws_connections_rejected_total{reason="cpu"}'),
    0,
    "series with known labels start at 0",
  );
  assert.equal(seen.get('ws_messages_sent_total{encoding="plain",event="trade"}'), 200);
  assert.equal(seen.get('ws_message_latency_seconds_bucket{le="0.025"}'), 100);
  assert.equal(seen.get("ws_message_latency_seconds_count"), 100);
  assert.equal(seen.get('ws_throttle_transitions_total{from_level="0",to_level="1"}'), 2);
  assert.deepEqual([seen.get("ws_nats_connected"), seen.get("ws_capacity_ratio")], [1, 0.25]);
  assert.ok((seen.get("process_cpu_seconds_total") ?? 0) > 0);
  const declared = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name as string);
  assert.equal(new Set(declared).size, declared.length);
  for (const name of Object.values(METRIC)) assert.ok(declared.includes(name), name);
});

test("the names are the documented ones", () => {
  const documented = `ws_connections_current ws_connections_total ws_connections_rejected_total ws_disconnects_total
    ws_connection_duration_seconds ws_messages_received_total ws_stream_messages_total ws_messages_sent_total
    ws_messages_dropped_total ws_message_latency_seconds ws_broadcast_duration_seconds ws_subscriptions_per_client
    ws_subscribers_per_channel ws_replays_total ws_resumes_total ws_throttled_clients_light ws_throttled_clients_medium
    ws_throttled_clients_heavy ws_throttle_transitions_total ws_bytes_sent_total ws_writes_total ws_conflated_total ws_cpu_usage_percent ws_memory_usage_bytes
    ws_capacity_ratio ws_nats_connected ws_nats_lag_messages ws_nats_lag_seconds ws_region_lag_messages ws_region_connected ws_nats_paused ws_draining`;
  const missing = documented
    .split(/\s+/)
    .filter((name) => !(Object.values(METRIC) as string[]).includes(name));
  assert.deepEqual(missing, []);
});
