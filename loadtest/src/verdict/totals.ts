/** Adds up the samples of all workers. */

import { wallMicros } from "../traffic/clock.ts";
import { BUCKET_MICROS, type FaultName, type Sample, type Times } from "../worker-messages.ts";
import { addTimes, Distribution } from "./distribution.ts";
import type { GatewayFigures } from "./gateway-metrics.ts";
import { type Point, type Stage, Timeline } from "./timeline.ts";

const MAX_EXAMPLES = 20;
const COUNTS = [
  "served",
  "deliveries",
  "caughtUp",
  "lastValues",
  "bytes",
  "gaps",
  "replays",
  "resumed",
  "notRecovered",
  "throttled",
] as const;

function addTo(counts: Record<string, number>, more: Record<string, number | undefined>): void {
  for (const [name, count] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + (count ?? 0);
}

/** A stage counts the deliveries of messages that were due in the stage, whenever they arrived. */
interface OpenStage extends Omit<Stage, "latency"> {
  fromMicros: number;
  toMicros: number;
  /** Latency that is not corrected for the clocks' difference. */
  latency: Times;
}

/**
 * Returns the end of the current latency bucket, so that everything that is due by now lies before this
 * boundary.
 */
const boundary = (): number => (Math.floor(wallMicros() / BUCKET_MICROS) + 1) * BUCKET_MICROS;

export class Totals {
  readonly timeline = new Timeline();
  readonly counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Record<
    (typeof COUNTS)[number],
    number
  >;
  readonly faults: Partial<Record<FaultName, number>> = {};
  readonly refused: Record<string, number> = {};
  readonly ended: Record<string, number> = {};
  readonly examples: string[] = [];
  readonly connect = new Distribution();
  readonly resume = new Distribution();
  readonly roundTrip = new Distribution();
  /** The difference of the clocks, by the fastest round trip. */
  clock: Sample["clock"];
  /** Open connections of each worker, as of its last sample. */
  readonly #open: number[] = [];
  readonly #shift: () => number;
  readonly #stages: OpenStage[] = [];

  /** @param shiftMicros returns what to add to a latency, because clocks differ */
  constructor(shiftMicros: (clock: Sample["clock"]) => number) {
    this.#shift = () => shiftMicros(this.clock);
  }

  get open(): number {
    return this.#open.reduce((sum, open) => sum + open, 0);
  }

  get faultCount(): number {
    return Object.values(this.faults).reduce((sum, count) => sum + count, 0);
  }

  add(sample: Sample, worker: number): void {
    this.#open[worker] = sample.open;
    for (const name of COUNTS) this.counts[name] += sample[name];
    addTo(this.faults as Record<string, number>, sample.faults);
    addTo(this.refused, sample.refused);
    addTo(this.ended, sample.ended);
    const room = MAX_EXAMPLES - this.examples.length;
    if (room > 0) this.examples.push(...sample.examples.slice(0, room));
    const { clock } = sample;
    if (clock !== undefined && clock.roundTripMs < (this.clock?.roundTripMs ?? Number.POSITIVE_INFINITY))
      this.clock = clock;
    this.connect.add(sample.connect);
    this.resume.add(sample.resume);
    this.roundTrip.add(sample.roundTrip);
    this.timeline.add(sample);
    const shift = this.#shift();
    for (const [bucket, { deliveries, latency }] of sample.latency) {
      const dueAt = bucket * BUCKET_MICROS - shift;
      const stage = this.#stages.find(({ fromMicros, toMicros }) => dueAt >= fromMicros && dueAt < toMicros);
      if (stage === undefined) continue;
      stage.deliveries += deliveries;
      addTimes(stage.latency, latency);
    }
  }

  /** Begins a stage. Messages that are due from now on belong to this stage. */
  beginStage(name: string): void {
    this.endStage();
    const at = this.timeline.seconds;
    const fromMicros = boundary();
    this.#stages.push({
      ...{ name, from: at, to: at, deliveries: 0, latency: new Map() },
      ...{ fromMicros, toMicros: Number.POSITIVE_INFINITY },
    });
  }

  /** Ends the stage. Messages that were due before still count for this stage when they arrive. */
  endStage(): void {
    const last = this.#stages.at(-1);
    if (last === undefined || last.toMicros < Number.POSITIVE_INFINITY) return;
    last.to = this.timeline.seconds;
    last.toMicros = boundary();
  }

  /** All latency so far, corrected by the current estimate of the clocks. */
  get latency(): { stages: Stage[]; whole: Distribution } {
    const whole = new Distribution();
    const stages = this.#stages.map(({ name, from, to, deliveries, latency }) => {
      const own = new Distribution();
      own.add(latency, this.#shift());
      whole.add(latency, this.#shift());
      return { name, from, to, deliveries, latency: own.quantiles };
    });
    return { stages, whole };
  }

  get points(): Point[] {
    return this.timeline.points(this.#shift());
  }

  tick(gateway: GatewayFigures | undefined): Point {
    return this.timeline.tick(this.open, gateway, this.#shift());
  }
}
