/** Counts what happens in a worker between two samples. */

import type { Entry } from "./book.ts";
import type { FaultName, Sample, Times } from "./control.ts";

const MAX_EXAMPLES = 20; // of a sample

/** Three digits of a time in microseconds: an error below 1 %. */
function rounded(micros: number): number {
  if (!(micros > 0)) return 0;
  let unit = 1;
  while (micros / unit >= 1000) unit *= 10;
  return Math.floor(micros / unit) * unit;
}

type Counter =
  | "served"
  | "deliveries"
  | "caughtUp"
  | "bytes"
  | "gaps"
  | "replays"
  | "resumed"
  | "notRecovered"
  | "throttled";
type TimeName = "latency" | "connect" | "resume" | "roundTrip";

export class Tally {
  #now = empty();

  count(name: Counter, by = 1): void {
    this.#now[name] += by;
  }

  time(name: TimeName, micros: number): void {
    const times: Times = this.#now[name];
    const value = rounded(micros);
    times.set(value, (times.get(value) ?? 0) + 1);
  }

  clock(roundTripMs: number, offsetMs: number): void {
    const best = this.#now.clock;
    if (best === undefined || roundTripMs < best.roundTripMs) this.#now.clock = { roundTripMs, offsetMs };
  }

  refused(reason: string): void {
    this.#now.refused[reason] = (this.#now.refused[reason] ?? 0) + 1;
  }

  ended(reason: string): void {
    this.#now.ended[reason] = (this.#now.ended[reason] ?? 0) + 1;
  }

  fault(name: FaultName, text: string): void {
    this.#now.faults[name] = (this.#now.faults[name] ?? 0) + 1;
    if (this.#now.examples.length < MAX_EXAMPLES) this.#now.examples.push(text);
  }

  heldUp(ms: number): void {
    this.#now.heldUpMs = Math.max(this.#now.heldUpMs, ms);
  }

  /** Everything since the last call. */
  take(state: { open: number; waiting: number; entries: Entry[]; epoch: string | undefined }): Sample {
    const sample = this.#now;
    this.#now = empty();
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
    entries: [],
    epoch: undefined,
    heldUpMs: 0,
  };
}
