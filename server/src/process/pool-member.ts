/** One worker process of the pool, as the primary sees the worker. */

import cluster, { type Worker } from "node:cluster";
import { ANSWER_MS, type SeatHolder } from "../entrance/seat-registry.ts";
import type { GatewayStats } from "../gateway.ts";
import type { MetricsSnapshot } from "./fleet.ts";
import type { ToWorker } from "./ipc.ts";
import type { Usage } from "./overload.ts";

export const NO_STATS: GatewayStats = { connections: 0, subscriptions: 0, deliveries: 0, dropped: 0 };

/** How long a worker may take to check the clients on some seats. A worker that hangs does not answer. */
const CHECK_TIMEOUT_MS = ANSWER_MS + 500;

export class PoolMember implements SeatHolder {
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
  readonly #checks = new Map<number, () => void>();
  #checkId = 0;

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

  checkClients(seats: readonly number[]): Promise<void> {
    return new Promise((resolve) => {
      const id = ++this.#checkId;
      const done = () => {
        clearTimeout(timer);
        this.#checks.delete(id);
        resolve();
      };
      const timer = setTimeout(done, CHECK_TIMEOUT_MS);
      this.#checks.set(id, done);
      this.send({ type: "check", id, seats });
    });
  }

  /** The worker has answered a check. */
  onChecked(id: number): void {
    this.#checks.get(id)?.();
  }

  replaceClient(seat: number): void {
    this.send({ type: "replace", seat });
  }
}
