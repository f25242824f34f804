/** Adds up the samples of all workers. */

import type { FaultName, Sample } from "./control.ts";
import { Distribution } from "./figures.ts";
import type { GatewayFigures } from "./gateway-watch.ts";
import { type Point, type Stage, Timeline } from "./timeline.ts";

const MAX_EXAMPLES = 20;
const COUNTS = [
  "served",
  "deliveries",
  "caughtUp",
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
  readonly latency = new Distribution();
  readonly connect = new Distribution();
  readonly resume = new Distribution();
  readonly roundTrip = new Distribution();
  readonly stages: Stage[] = [];
  /** The clocks' difference as of the quickest round trip. */
  clock: Sample["clock"];
  /** Of each worker, as of its last sample. */
  readonly #open: number[] = [];
  readonly #samples: number[] = [];
  readonly #shift: () => number;
  #stage: { stage: Stage; latency: Distribution } | undefined;

  /** @param shiftMicros what to add to a latency because clocks differ */
  constructor(shiftMicros: (clock: Sample["clock"]) => number) {
    this.#shift = () => shiftMicros(this.clock);
  }

  get open(): number {
    return this.#open.reduce((sum, open) => sum + open, 0);
  }

  /** Samples of the worker that has sent the fewest. */
  rounds(workers: number): number {
    return Math.min(...Array.from({ length: workers }, (_, worker) => this.#samples[worker] ?? 0));
  }

  add(sample: Sample, worker: number): void {
    this.#open[worker] = sample.open;
    this.#samples[worker] = (this.#samples[worker] ?? 0) + 1;
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
    const shift = this.#shift();
    this.timeline.add(sample, shift);
    if (this.#stage === undefined) return;
    this.latency.add(sample.latency, shift);
    this.#stage.latency.add(sample.latency, shift);
    this.#stage.stage.deliveries += sample.deliveries;
  }

  beginStage(name: string): void {
    const at = this.timeline.seconds;
    const latency = new Distribution();
    this.#stage = { latency, stage: { name, from: at, to: at, deliveries: 0, latency: latency.quantiles } };
  }

  endStage(): void {
    if (this.#stage === undefined) return;
    const { stage, latency } = this.#stage;
    this.stages.push({ ...stage, to: this.timeline.seconds, latency: latency.quantiles });
    this.#stage = undefined;
  }

  tick(gateway: GatewayFigures | undefined): Point {
    return this.timeline.tick(this.open, gateway);
  }
}
