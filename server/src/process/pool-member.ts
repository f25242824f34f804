/** One worker process of the pool, as the primary sees the worker. */

import cluster, { type Worker } from "node:cluster";
import type { Applicant } from "../entrance/admission.ts";
import type { GatewayStats } from "../gateway.ts";
import type { MetricsSnapshot } from "./fleet.ts";
import type { ToWorker } from "./ipc.ts";
import type { Usage } from "./overload.ts";

export const NO_STATS: GatewayStats = { connections: 0, subscriptions: 0, deliveries: 0, dropped: 0 };

export class PoolMember {
  readonly worker: Worker = cluster.fork();
  /** True once the worker has the history and gets every event of the stream. */
  attached = false;
  /** True once the worker accepts clients. */
  serving = false;
  drained = false;
  usage: Usage = { cpuMicros: 0, rssBytes: 0 };
  /** Time since the last message from the worker, as far as the primary itself was running. */
  silentMs = 0;
  /** Stream events that were sent to the worker. */
  sentEvents = 0;
  stats: GatewayStats = NO_STATS;
  metrics: MetricsSnapshot = [];
  /** Number of seats that the worker's clients hold, by user; the key is undefined without authentication. */
  readonly #seats = new Map<string | undefined, number>();

  get pid(): number {
    return this.worker.process.pid ?? 0;
  }

  send(message: ToWorker): void {
    // Nothing is lost when the worker is just ending, because its replacement gets the history.
    if (this.worker.isConnected()) this.worker.send(message, () => {});
  }

  /** Ends the process at once; the pool then replaces the worker. */
  kill(): void {
    this.worker.process.kill("SIGKILL");
  }

  /** Records that a client of this worker took a seat. */
  addSeat({ user }: Applicant): void {
    this.#seats.set(user, (this.#seats.get(user) ?? 0) + 1);
  }

  /**
   * Records that a client of this worker gave its seat back; false when the worker holds no seat for this
   * user.
   */
  removeSeat({ user }: Applicant): boolean {
    const held = this.#seats.get(user) ?? 0;
    if (held === 0) return false;
    if (held === 1) this.#seats.delete(user);
    else this.#seats.set(user, held - 1);
    return true;
  }

  /** Returns the user of every seat that the worker still holds. */
  get seatHolders(): (string | undefined)[] {
    return [...this.#seats].flatMap(([user, count]) => new Array<string | undefined>(count).fill(user));
  }
}
