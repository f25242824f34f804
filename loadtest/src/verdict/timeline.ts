/** What a run was like, second by second. */

import type { Sample, Times } from "../control.ts";
import { addTimes, type Quantiles, quantilesOf } from "./figures.ts";
import type { GatewayFigures } from "./gateway-watch.ts";

export interface Point {
  /** Seconds since the begin. */
  at: number;
  open: number;
  /** A second. */
  deliveries: number;
  bytes: number;
  refused: number;
  faults: number;
  /** Milliseconds; absent in a second without live deliveries. */
  p50?: number;
  p99?: number;
  max?: number;
  cpuPercent?: number;
  memoryBytes?: number;
  gatewayConnections?: number;
  /** How long the busiest worker of the load test was held up, ms. */
  heldUpMs: number;
}

/** Part of a run that has figures of its own. */
export interface Stage {
  name: string;
  /** Seconds since the begin. */
  from: number;
  to: number;
  deliveries: number;
  latency: Quantiles;
}

const sum = (counts: Record<string, number | undefined>): number =>
  Object.values(counts).reduce<number>((total, count) => total + (count ?? 0), 0);

function shifted(point: Point, shiftMicros: number): Point {
  const { p50, p99, max } = point;
  if (p50 === undefined || p99 === undefined || max === undefined) return point;
  const [least, most, all] = [p50, p99, max].map((ms) => Math.max(0, ms + shiftMicros / 1000));
  return { ...point, p50: least as number, p99: most as number, max: all as number };
}

export class Timeline {
  readonly #begin = performance.now();
  /** Latency as the clocks have it. */
  readonly #raw: Point[] = [];
  #latency: Times = new Map();
  #deliveries = 0;
  #bytes = 0;
  #refused = 0;
  #faults = 0;
  #heldUp = 0;
  #lastAt = 0;

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  /** @param shiftMicros what to add to latency because clocks differ */
  points(shiftMicros: number): Point[] {
    return this.#raw.map((point) => shifted(point, shiftMicros));
  }

  add(sample: Sample): void {
    for (const { latency } of sample.due.values()) addTimes(this.#latency, latency);
    this.#deliveries += sample.deliveries;
    this.#bytes += sample.bytes;
    this.#refused += sum(sample.refused);
    this.#faults += sum(sample.faults);
    this.#heldUp = Math.max(this.#heldUp, sample.heldUpMs);
  }

  /** Closes a point; called about once a second. Returns it with what is known of the clocks by now. */
  tick(open: number, gateway: GatewayFigures | undefined, shiftMicros: number): Point {
    const at = this.seconds;
    const elapsed = Math.max(at - this.#lastAt, 0.001);
    const point: Point = {
      at: Math.round(at * 10) / 10,
      open,
      deliveries: Math.round(this.#deliveries / elapsed),
      bytes: Math.round(this.#bytes / elapsed),
      refused: this.#refused,
      faults: this.#faults,
      heldUpMs: Math.round(this.#heldUp),
      ...quantilesOf(this.#latency),
      ...(gateway !== undefined && {
        cpuPercent: gateway.cpuPercent,
        memoryBytes: gateway.memoryBytes,
        gatewayConnections: gateway.connections,
      }),
    };
    this.#raw.push(point);
    this.#latency = new Map();
    this.#lastAt = at;
    this.#deliveries = this.#bytes = this.#refused = this.#faults = this.#heldUp = 0;
    return shifted(point, shiftMicros);
  }
}
