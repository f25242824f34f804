/** Distributions of times. */

import { build, type Histogram } from "hdr-histogram-js";
import type { Times } from "../worker-messages.ts";

/** Quantiles in milliseconds; zeros without samples. */
export interface Quantiles {
  samples: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

const LONGEST = 3_600_000_000; // 1 h in µs; longer times count as one hour

const rounded = (micros: number): number => Math.round(micros) / 1000;

/** A histogram of high dynamic range: three digits, from a microsecond to an hour. */
export class Distribution {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST,
    numberOfSignificantValueDigits: 3,
  });

  /** @param shiftMicros added to each time, because clocks differ */
  add(times: Times, shiftMicros = 0): void {
    for (const [micros, count] of times) {
      const value = Math.round(Math.min(LONGEST, Math.max(1, micros + shiftMicros)));
      this.#histogram.recordValueWithCount(value, count);
    }
  }

  get quantiles(): Quantiles {
    const of = (percent: number) => rounded(this.#histogram.getValueAtPercentile(percent));
    const samples = this.#histogram.totalCount;
    if (samples === 0) return { samples, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
    return {
      samples,
      p50: of(50),
      p90: of(90),
      p99: of(99),
      p999: of(99.9),
      max: rounded(this.#histogram.maxValue),
    };
  }

  /** Returns the cumulative distribution for a plot: milliseconds at each percentage. */
  curve(): { percent: number; ms: number }[] {
    if (this.#histogram.totalCount === 0) return [];
    return CURVE.map((percent) => ({ percent, ms: rounded(this.#histogram.getValueAtPercentile(percent)) }));
  }
}

/** Computes the quantiles of a few times, which may be negative; undefined without times. Milliseconds. */
export function quantilesOf(times: Times): { p50: number; p99: number; max: number } | undefined {
  const values = [...times].toSorted(([one], [other]) => one - other);
  const total = values.reduce((sum, [, count]) => sum + count, 0);
  const last = values.at(-1);
  if (last === undefined) return undefined;
  const at = (share: number) => {
    let count = 0;
    for (const [micros, more] of values) {
      count += more;
      if (count >= total * share) return rounded(micros);
    }
    return rounded(last[0]);
  };
  return { p50: at(0.5), p99: at(0.99), max: rounded(last[0]) };
}

/** Adds the counts of `more` to `times`. */
export function addTimes(times: Times, more: Times): void {
  for (const [micros, count] of more) times.set(micros, (times.get(micros) ?? 0) + count);
}

// Each fourth percentage halves the distance to 100: 50, 75, 87.5, … like the plots of HdrHistogram.
const CURVE = Array.from({ length: 68 }, (_, step) => 100 - 100 * 2 ** (-step / 4)).filter(
  (p) => p <= 99.999,
);
