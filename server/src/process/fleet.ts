/** The processes that serve clients: the primary itself, or a pool of workers. */

import type { MetricObjectWithValues, MetricValue } from "prom-client";
import type { Applicant, Refusal, Seats } from "../entrance/admission.ts";
import type { SeatHolder, SeatRegistry } from "../entrance/seat-registry.ts";
import type { DrainPlan, Gateway, GatewayStats } from "../gateway.ts";
import type { Downstream } from "./hub.ts";
import type { Usage } from "./overload.ts";

/** Metrics of one process in prom-client's own form. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

export interface Fleet {
  /** Receives the stream and the closure from the hub, for all clients. */
  readonly downstream: Downstream;
  /** Starts to serve; resolves with the port. */
  start(): Promise<number>;
  stats(): Promise<GatewayStats>;
  /** Metrics of the other processes. */
  metrics(): Promise<MetricsSnapshot[]>;
  /** Usage of the other processes by process id. */
  usage(): Map<number, Usage>;
  /** Disconnects all clients, spread over time; resolves when the last client is gone. */
  drain(plan: DrainPlan): Promise<void>;
  /** Ends everything at once; resolves when no other process is left. */
  stop(): Promise<void>;
}

/** Serves all clients in the primary's own process: there is one gateway and no cluster. */
export class LocalFleet implements Fleet {
  readonly downstream: Gateway;
  readonly #port: number;

  constructor(gateway: Gateway, port: number) {
    this.downstream = gateway;
    this.#port = port;
  }

  start(): Promise<number> {
    return this.downstream.listen(this.#port);
  }
  async stats(): Promise<GatewayStats> {
    return this.downstream.stats;
  }
  async metrics(): Promise<MetricsSnapshot[]> {
    return [];
  }
  usage(): Map<number, Usage> {
    return new Map();
  }
  drain(plan: DrainPlan): Promise<void> {
    return this.downstream.drain(plan);
  }
  async stop(): Promise<void> {
    this.downstream.stop();
  }
}

/** Seats for the gateway in the primary's own process. */
export class LocalSeats implements Seats {
  /** The gateway's clients; set before the gateway serves. */
  holder: SeatHolder | undefined;
  readonly #registry: SeatRegistry;
  #last = 0;

  constructor(registry: SeatRegistry) {
    this.#registry = registry;
  }

  async take(applicant: Applicant): Promise<number | Refusal> {
    const seat = ++this.#last;
    return (await this.#registry.take(this.holder as SeatHolder, seat, applicant)) ?? seat;
  }

  free(seat: number): void {
    this.#registry.free(this.holder as SeatHolder, seat);
  }
}
