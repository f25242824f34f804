/** Compares the first and the last third of a long run: memory and latency may not grow. */

/** One second of a run, as the load test reports it. */
export interface Second {
  /** Seconds since the start. */
  at: number;
  /** Resident memory of the gateway, bytes; absent when its metrics could not be read. */
  memoryBytes?: number;
  /** Latency, ms; absent in a second without deliveries. */
  p99?: number;
}

export interface Third {
  /** Medians of the seconds. */
  memoryMb: number;
  p99Ms: number;
}

/** Most growth that counts as none: the heap of V8 moves by some percent. */
const MEMORY_GROWTH = 1.03;
/** A busy second of the machine makes single messages late. */
const P99_GROWTH = 1.25;
const P99_SLACK_MS = 10;
const MB = 1e6;

/** @param seconds the seconds in which messages flowed */
export function thirdsOf(seconds: readonly Second[]): Third[] {
  const length = seconds.length / 3;
  return [0, 1, 2].map((third) => {
    const part = seconds.slice(Math.round(third * length), Math.round((third + 1) * length));
    return {
      memoryMb: median(part.flatMap(({ memoryBytes }) => memoryBytes ?? [])) / MB,
      p99Ms: median(part.flatMap(({ p99 }) => p99 ?? [])),
    };
  });
}

/** What has grown, one line each. */
export function growthOf([first, , last]: readonly Third[]): string[] {
  if (first === undefined || last === undefined) return ["there are no seconds to compare"];
  const found: string[] = [];
  if (!(last.memoryMb <= first.memoryMb * MEMORY_GROWTH))
    found.push(`memory grew from ${first.memoryMb.toFixed(1)} to ${last.memoryMb.toFixed(1)} MB`);
  if (!(last.p99Ms <= first.p99Ms * P99_GROWTH + P99_SLACK_MS))
    found.push(`p99 grew from ${first.p99Ms.toFixed(1)} to ${last.p99Ms.toFixed(1)} ms`);
  return found;
}

/** NaN without values, which is no growth that `growthOf` accepts. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
