/** Counts what happens in a worker between two samples. */

import {
  BUCKET_MICROS,
  type FaultName,
  type LatencyBucket,
  type Sample,
  type StreamMessage,
  type Times,
} from "../worker-messages.ts";

const MAX_EXAMPLES = 20; // in each sample

const COARSEST_MICROS = 1000; // 1 ms

/** Rounds down to three digits, and by at most 1 ms. Times may be negative when two clocks differ. */
function rounded(micros: number): number {
  const size = Math.abs(micros);
  let unit = 1;
  while (unit < COARSEST_MICROS && size / unit >= 1000) unit *= 10;
  return Math.floor(micros / unit) * unit;
}

function add(times: Times, micros: number): void {
  const value = rounded(micros);
  times.set(value, (times.get(value) ?? 0) + 1);
}

type Counter =
  | "served"
  | "deliveries"
  | "caughtUp"
  | "lastValues"
  | "bytes"
  | "gaps"
  | "replays"
  | "resumed"
  | "notRecovered"
  | "throttled";
type TimeName = "connect" | "resume" | "roundTrip";

export class WorkerStats {
  #sample = empty();
  /** The bucket of the last delivery. The next delivery is mostly of the same message. */
  #bucketIndex = Number.NaN;
  #bucket: LatencyBucket = { deliveries: 0, latency: new Map() };

  count(name: Counter, by = 1): void {
    this.#sample[name] += by;
  }

  time(name: TimeName, micros: number): void {
    add(this.#sample[name], micros);
  }

  /**
   * Counts a delivery.
   *
   * @param dueMicros when the message was due, µs since 1970
   * @param latencyMicros undefined when the delivery says nothing about the latency of live messages
   */
  delivery(dueMicros: number, latencyMicros: number | undefined): void {
    const index = Math.floor(dueMicros / BUCKET_MICROS);
    if (index !== this.#bucketIndex) {
      this.#bucketIndex = index;
      this.#bucket = this.#sample.latency.get(index) ?? { deliveries: 0, latency: new Map() };
      this.#sample.latency.set(index, this.#bucket);
    }
    this.#bucket.deliveries++;
    if (latencyMicros !== undefined) add(this.#bucket.latency, latencyMicros);
  }

  /** Records the gateway's clock. The fastest round trip gives the best estimate. */
  clock(roundTripMs: number, offsetMs: number): void {
    const best = this.#sample.clock;
    if (best === undefined || roundTripMs < best.roundTripMs) this.#sample.clock = { roundTripMs, offsetMs };
  }

  refused(reason: string): void {
    this.#sample.refused[reason] = (this.#sample.refused[reason] ?? 0) + 1;
  }

  ended(reason: string): void {
    this.#sample.ended[reason] = (this.#sample.ended[reason] ?? 0) + 1;
  }

  fault(name: FaultName, text: string): void {
    this.#sample.faults[name] = (this.#sample.faults[name] ?? 0) + 1;
    if (this.#sample.examples.length < MAX_EXAMPLES) this.#sample.examples.push(text);
  }

  delay(ms: number): void {
    this.#sample.delayMs = Math.max(this.#sample.delayMs, ms);
  }

  /** Returns everything since the last call. */
  take(state: {
    open: number;
    waiting: number;
    messages: StreamMessage[];
    epoch: string | undefined;
  }): Sample {
    const sample = this.#sample;
    this.#sample = empty();
    this.#bucketIndex = Number.NaN;
    return { ...sample, ...state };
  }
}

function empty(): Sample {
  return {
    open: 0,
    waiting: 0,
    served: 0,
    deliveries: 0,
    caughtUp: 0,
    lastValues: 0,
    bytes: 0,
    gaps: 0,
    replays: 0,
    resumed: 0,
    notRecovered: 0,
    throttled: 0,
    refused: {},
    ended: {},
    faults: {},
    examples: [],
    latency: new Map(),
    connect: new Map(),
    resume: new Map(),
    roundTrip: new Map(),
    clock: undefined,
    messages: [],
    epoch: undefined,
    delayMs: 0,
  };
}
