/** What a run was like, second by second. */

import type { Sample } from "./control.ts";
import { Distribution, type Quantiles } from "./figures.ts";
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

export class Timeline {
  readonly #begin = performance.now();
  readonly points: Point[] = [];
  readonly #tick = new Distribution();
  #deliveries = 0;
  #bytes = 0;
  #refused = 0;
  #faults = 0;
  #heldUp = 0;
  #lastAt = 0;

  get seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  add(sample: Sample, shiftMicros: number): void {
    this.#tick.add(sample.latency, shiftMicros);
    this.#deliveries += sample.deliveries;
    this.#bytes += sample.bytes;
    this.#refused += sum(sample.refused);
    this.#faults += sum(sample.faults);
    this.#heldUp = Math.max(this.#heldUp, sample.heldUpMs);
  }

  /** Closes a point; called about once a second. */
  tick(open: number, gateway: GatewayFigures | undefined): Point {
    const at = this.seconds;
    const elapsed = Math.max(at - this.#lastAt, 0.001);
    const { samples, p50, p99, max } = this.#tick.quantiles;
    const point: Point = {
      at: Math.round(at * 10) / 10,
      open,
      deliveries: Math.round(this.#deliveries / elapsed),
      bytes: Math.round(this.#bytes / elapsed),
      refused: this.#refused,
      faults: this.#faults,
      heldUpMs: Math.round(this.#heldUp),
      ...(samples > 0 && { p50, p99, max }),
      ...(gateway !== undefined && {
        cpuPercent: gateway.cpuPercent,
        memoryBytes: gateway.memoryBytes,
        gatewayConnections: gateway.connections,
      }),
    };
    this.points.push(point);
    this.#tick.clear();
    this.#lastAt = at;
    this.#deliveries = this.#bytes = this.#refused = this.#faults = this.#heldUp = 0;
    return point;
  }
}
