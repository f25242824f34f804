/** Statistics of the bench. */

/** Relative width of a histogram's bucket, which is the largest error of a quantile. */
const RESOLUTION = 0.01;
const SCALE = 1 / Math.log1p(RESOLUTION);

export interface Latency {
  samples: number;
  /** Milliseconds; 0 without samples. */
  p50: number;
  p99: number;
  max: number;
}

/** Counts times in buckets that grow by 1 %. Recording a time costs one logarithm and no memory. */
export class Histogram {
  readonly #buckets = new Uint32Array(3000); // up to 1.01 ** 3000 µs, far longer than any run
  #count = 0;
  #max = 0;

  /** @param micros a time in microseconds */
  record(micros: number): void {
    const index = micros < 1 ? 0 : Math.floor(Math.log(micros) * SCALE);
    this.#buckets[index] = (this.#buckets[index] ?? 0) + 1;
    this.#count++;
    if (micros > this.#max) this.#max = micros;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#count = 0;
    this.#max = 0;
  }

  /** Returns the upper edge of the bucket with the quantile, ms. */
  #quantile(share: number): number {
    let left = Math.ceil(this.#count * share);
    for (const [index, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Math.min(Math.exp((index + 1) / SCALE), this.#max) / 1000;
    }
    return this.#max / 1000;
  }

  summary(): Latency {
    if (this.#count === 0) return { samples: 0, p50: 0, p99: 0, max: 0 };
    return {
      samples: this.#count,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      max: this.#max / 1000,
    };
  }
}

/** Middle of the values, mean of the two middle ones of an even number; NaN without any. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** What the idle server used in about a second. */
export interface IdleSample {
  seconds: number;
  cpuMicros: number;
  /** Heartbeats that the server sent in this time. */
  pings: number;
}

/**
 * CPU that the server uses without traffic: microseconds for each second, plus microseconds for each
 * heartbeat.
 */
export interface IdleCost {
  perSecond: number;
  perPing: number;
}

/**
 * Fits the idle cost to the samples by least squares. The heartbeats come in bursts, as the connections did,
 * so a window of traffic may have more or fewer heartbeats than an idle window of the same length.
 * Subtracting the CPU of such a window would be wrong.
 */
export function fitIdle(samples: readonly IdleSample[]): IdleCost {
  const n = samples.length;
  if (n === 0) return { perSecond: 0, perPing: 0 };
  const x = samples.map(({ pings, seconds }) => pings / seconds);
  const y = samples.map(({ cpuMicros, seconds }) => cpuMicros / seconds);
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const [meanX, meanY] = [sum(x) / n, sum(y) / n];
  const variance = sum(x.map((value) => (value - meanX) ** 2));
  const covariance = sum(x.map((value, i) => (value - meanX) * ((y[i] ?? meanY) - meanY)));
  // Neither the cost of a heartbeat nor the cost of a second may become negative.
  const steepest = meanX === 0 ? 0 : meanY / meanX;
  const perPing = variance === 0 ? 0 : Math.min(Math.max(covariance / variance, 0), steepest);
  return { perSecond: meanY - perPing * meanX, perPing };
}

/** Returns the idle CPU for this many seconds and heartbeats, µs. */
export const idleMicros = (cost: IdleCost, seconds: number, pings: number): number =>
  cost.perSecond * seconds + cost.perPing * pings;
