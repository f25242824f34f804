/** The processes that serve clients, as the one that holds the hub sees them: one of its own, or a pool of workers. */

import type { MetricObjectWithValues, MetricValue } from "prom-client";
import type { Message } from "../delivery/message.ts";
import type { Closure } from "../entrance/admission.ts";
import type { Gateway, GatewayStats } from "../gateway.ts";
import type { Downstream } from "./hub.ts";
import type { Usage } from "./overload.ts";

/** Metrics of one process in prom-client's own form. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

export interface Fleet extends Downstream {
  /** Starts to serve; resolves with the port. */
  start(): Promise<number>;
  stats(): Promise<GatewayStats>;
  /** Metrics of the other processes. */
  metrics(): Promise<MetricsSnapshot[]>;
  /** Usage of the other processes by process id. */
  usage(): Map<number, Usage>;
  /** Sends all clients away over this time; resolves when they are gone. */
  drain(seconds: number): Promise<void>;
  /** Ends all at once; resolves when no process is left. */
  stop(): Promise<void>;
}

/** One worker: no cluster at all, the gateway runs in the process of the hub. */
export class LocalFleet implements Fleet {
  readonly #gateway: Gateway;
  readonly #port: number;
  #closure: Closure | undefined;

  constructor(create: (closure: () => Closure | undefined) => Gateway, port: number) {
    this.#gateway = create(() => this.#closure);
    this.#port = port;
  }

  start(): Promise<number> {
    return this.#gateway.listen(this.#port);
  }
  begin(epoch: string, offset: number): void {
    this.#gateway.begin(epoch, offset);
  }
  message(message: Message, shed: boolean): void {
    this.#gateway.message(message, shed);
  }
  skip(offset: number): void {
    this.#gateway.skip(offset);
  }
  lose(offset: number): void {
    this.#gateway.lose(offset);
  }
  setClosure(closure: Closure | undefined): void {
    this.#closure = closure;
  }
  async stats(): Promise<GatewayStats> {
    return this.#gateway.stats;
  }
  async metrics(): Promise<MetricsSnapshot[]> {
    return [];
  }
  usage(): Map<number, Usage> {
    return new Map();
  }
  drain(seconds: number): Promise<void> {
    return this.#gateway.drain(seconds);
  }
  async stop(): Promise<void> {
    this.#gateway.stop();
  }
}
