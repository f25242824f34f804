/** Counts what happens in a worker between two samples. */

import { type Due, type Entry, type FaultName, type Sample, SLOT, type Times } from "../control.ts";

const MAX_EXAMPLES = 20; // of a sample

const COARSEST = 1000; // µs

/** Three digits of a time in microseconds, an error below 1 %; below nothing where two clocks differ. */
function rounded(micros: number): number {
  const size = Math.abs(micros);
  let unit = 1;
  while (unit < COARSEST && size / unit >= 1000) unit *= 10;
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
  | "bytes"
  | "gaps"
  | "replays"
  | "resumed"
  | "notRecovered"
  | "throttled";
type TimeName = "connect" | "resume" | "roundTrip";

export class Tally {
  #now = empty();
  /** Of the last delivery: the next one is mostly of the same message. */
  #slot = Number.NaN;
  #due: Due = { deliveries: 0, latency: new Map() };

  count(name: Counter, by = 1): void {
    this.#now[name] += by;
  }

  time(name: TimeName, micros: number): void {
    add(this.#now[name], micros);
  }

  /** A message that was due at `dueMicros` has been read; `micros` later, when that is to count as latency. */
  delivery(dueMicros: number, micros: number | undefined): void {
    const slot = Math.floor(dueMicros / SLOT);
    if (slot !== this.#slot) {
      this.#slot = slot;
      this.#due = this.#now.due.get(slot) ?? { deliveries: 0, latency: new Map() };
      this.#now.due.set(slot, this.#due);
    }
    this.#due.deliveries++;
    if (micros !== undefined) add(this.#due.latency, micros);
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
    this.#slot = Number.NaN;
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
    due: new Map(),
    connect: new Map(),
    resume: new Map(),
    roundTrip: new Map(),
    clock: undefined,
    entries: [],
    epoch: undefined,
    heldUpMs: 0,
  };
}
