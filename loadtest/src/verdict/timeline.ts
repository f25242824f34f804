/** The figures of a run, second by second. */

import type { Sample, Times } from "../worker-messages.ts";
import { addTimes, type Quantiles, quantilesOf } from "./distribution.ts";
import type { GatewayFigures } from "./gateway-metrics.ts";

export interface Point {
  /** Seconds since the start. */
  at: number;
  open: number;
  /** Deliveries and bytes a second. */
  deliveries: number;
  bytes: number;
  refused: number;
  faults: number;
  /** Latency, ms; absent in a second without live deliveries. */
  p50?: number;
  p99?: number;
  max?: number;
  cpuPercent?: number;
  memoryBytes?: number;
  gatewayConnections?: number;
  /** The largest event loop delay of the load test's workers, ms. */
  delayMs: number;
}

/** A part of a run with its own figures. */
export interface Stage {
  name: string;
  /** Seconds since the start. */
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
  /** Points whose latency is not corrected for the clocks' difference. */
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

  /** @param shiftMicros added to each latency, because clocks differ */
  points(shiftMicros: number): Point[] {
    return this.#raw.map((point) => shifted(point, shiftMicros));
  }

  add(sample: Sample): void {
    for (const { latency } of sample.latency.values()) addTimes(this.#latency, latency);
    this.#deliveries += sample.deliveries;
    this.#bytes += sample.bytes;
    this.#refused += sum(sample.refused);
    this.#faults += sum(sample.faults);
    this.#heldUp = Math.max(this.#heldUp, sample.delayMs);
  }

  /**
   * Ends a point; called about once a second. Returns the point, corrected by the current estimate of the
   * clocks.
   */
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
      delayMs: Math.round(this.#heldUp),
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
