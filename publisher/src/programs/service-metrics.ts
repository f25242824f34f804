/** Every metric of the publisher's service. Only this file contains their names; dashboards import them. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { PublisherStats } from "../publisher.ts";

/** Names of the metrics in `/metrics`. */
export const PUBLISHER_METRIC = {
  storeSeconds: "publisher_store_seconds",
  published: "publisher_events_published_total",
  stored: "publisher_events_stored_total",
  duplicates: "publisher_events_duplicate_total",
  refused: "publisher_events_refused_total",
  leftOut: "publisher_events_left_out_total",
  sentAgain: "publisher_events_sent_again_total",
  waiting: "publisher_events_waiting",
  waitingBytes: "publisher_waiting_bytes",
  inFlight: "publisher_events_in_flight",
  rate: "publisher_rate",
  connected: "publisher_nats_connected",
  credentialsEnd: "publisher_credentials_expiry_timestamp_seconds",
} as const;

/**
 * Upper bounds of the histogram's buckets, seconds. An event that waits until NATS is back takes as long as
 * NATS is away.
 */
const STORE_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** Where the values come from, each time somebody reads `/metrics`. */
export interface MetricSources {
  stats: () => PublisherStats;
  /** The rate that is set: events per second, not counting the trending list. */
  rate: () => number;
}

export class ServiceMetrics {
  readonly #registry = new Registry();
  readonly #storeSeconds: Histogram;

  constructor({ stats, rate }: MetricSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#storeSeconds = new Histogram({
      name: PUBLISHER_METRIC.storeSeconds,
      help: "Time from the publishing of an event to the acknowledgement of the stream",
      buckets: STORE_BUCKETS_SECONDS,
      registers,
    });
    const counter = (name: string, help: string, read: () => number) =>
      new Counter({
        name,
        help,
        registers,
        // The publisher counts already: the counter shows that count.
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    counter(PUBLISHER_METRIC.published, "Events that were accepted", () => stats().accepted);
    counter(PUBLISHER_METRIC.stored, "Events that the stream has stored", () => stats().stored);
    counter(
      PUBLISHER_METRIC.duplicates,
      "Stored events that the stream had stored before",
      () => stats().duplicates,
    );
    counter(PUBLISHER_METRIC.refused, "Accepted events that NATS refused", () => stats().refused);
    counter(
      PUBLISHER_METRIC.leftOut,
      "Events that were not accepted because the queue was full",
      () => stats().turnedAway,
    );
    counter(PUBLISHER_METRIC.sentAgain, "How often an event was sent again", () => stats().sentAgain);
    gauge(
      PUBLISHER_METRIC.waiting,
      "Events in the queue that are not stored yet, with those in flight",
      () => stats().queuedEvents,
    );
    gauge(PUBLISHER_METRIC.waitingBytes, "Bytes of the events in the queue", () => stats().queuedBytes);
    gauge(
      PUBLISHER_METRIC.inFlight,
      "Events that were sent and have no acknowledgement yet",
      () => stats().inFlight,
    );
    gauge(PUBLISHER_METRIC.rate, "Rate that is set: events per second, not counting the trending list", rate);
    gauge(PUBLISHER_METRIC.connected, "1 while NATS is connected", () => (stats().connected ? 1 : 0));
    gauge(
      PUBLISHER_METRIC.credentialsEnd,
      "When the credentials for NATS expire, seconds since 1970; 0: they do not expire",
      () => stats().credentialsEnd ?? 0,
    );
  }

  /** Counts an event that the stream has stored `ms` milliseconds after it was published. */
  observeStored(ms: number): void {
    this.#storeSeconds.observe(ms / 1000);
  }

  /** The metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
