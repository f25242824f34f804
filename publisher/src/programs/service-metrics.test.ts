import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublisherStats } from "../publisher.ts";
import { PUBLISHER_METRIC, ServiceMetrics } from "./service-metrics.ts";

const STATS: PublisherStats = {
  connected: true,
  accepted: 101,
  stored: 102,
  duplicates: 103,
  refused: 104,
  turnedAway: 105,
  sentAgain: 106,
  queuedEvents: 107,
  queuedBytes: 108,
  inFlight: 109,
  credentialsEnd: 110,
};

/** Values by name and labels. */
async function samples(metrics: ServiceMetrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

test("every count of the publisher is a metric with its present value", async () => {
  let stats = STATS;
  const metrics = new ServiceMetrics({ stats: () => stats, rate: () => 12 });
  const expected = {
    publisher_events_published_total: 101,
    publisher_events_stored_total: 102,
    publisher_events_duplicate_total: 103,
    publisher_events_refused_total: 104,
    publisher_events_left_out_total: 105,
    publisher_events_sent_again_total: 106,
    publisher_events_waiting: 107,
    publisher_waiting_bytes: 108,
    publisher_events_in_flight: 109,
    publisher_rate: 12,
    publisher_nats_connected: 1,
    publisher_credentials_expiry_timestamp_seconds: 110,
  };
  const first = await samples(metrics);
  for (const [name, value] of Object.entries(expected)) assert.equal(first.get(name), value, name);
  stats = { ...STATS, stored: 202, inFlight: 0, connected: false, credentialsEnd: undefined };
  const second = await samples(metrics);
  assert.deepEqual(
    [
      second.get("publisher_events_stored_total"),
      second.get("publisher_events_in_flight"),
      second.get("publisher_nats_connected"),
      second.get("publisher_credentials_expiry_timestamp_seconds"),
    ],
    [202, 0, 0, 0],
  );
  const text = await metrics.text();
  for (const name of Object.values(PUBLISHER_METRIC)) {
    const isHistogram = name.endsWith("_seconds") && !name.endsWith("_timestamp_seconds");
    const type = name.endsWith("_total") ? "counter" : isHistogram ? "histogram" : "gauge";
    assert.match(text, new RegExp(`^# TYPE ${name} ${type}$`, "m"));
  }
  assert.ok((second.get("process_cpu_seconds_total") ?? 0) > 0);
});

test("the time until an event is stored is a histogram in seconds", async () => {
  const metrics = new ServiceMetrics({ stats: () => STATS, rate: () => 0 });
  for (const ms of [0.4, 3, 4, 20_000, 90_000]) metrics.observeStored(ms);
  const seen = await samples(metrics);
  const at = (le: string) => seen.get(`publisher_store_seconds_bucket{le="${le}"}`);
  assert.deepEqual(
    [at("0.0005"), at("0.0025"), at("0.005"), at("10"), at("30"), at("60"), at("+Inf")],
    [1, 1, 3, 3, 4, 4, 5],
  );
  assert.equal(seen.get("publisher_store_seconds_count"), 5);
  assert.ok(Math.abs((seen.get("publisher_store_seconds_sum") ?? 0) - 110.0074) < 1e-6);
});
