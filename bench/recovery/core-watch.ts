/** Which processes use the CPU while clients come back: on one machine, the clients and servers compete. */

import { cpuMicros } from "../process.ts";

/** Cores that were used in one second. */
export interface Cores {
  servers: number;
  clients: number;
  /** NATS, the load balancer and the publisher of the bench. */
  others: number;
}

export type Pids = Readonly<Record<keyof Cores, readonly number[]>>;

const PERIOD_MS = 1000;
const MICROS_PER_MS = 1000;

export class CoreWatch {
  readonly #pids: () => Pids;
  readonly #timer: NodeJS.Timeout;
  readonly #seen = new Map<number, number>();
  #at = performance.now();
  #busiest: Cores = { servers: 0, clients: 0, others: 0 };

  /** @param pids the processes that run at this moment */
  constructor(pids: () => Pids) {
    this.#pids = pids;
    this.#sample();
    this.#timer = setInterval(() => this.#take(this.#sample()), PERIOD_MS);
  }

  /** Ends the watch. Returns the cores in the second in which all processes together used most. */
  stop(): Cores {
    clearInterval(this.#timer);
    return this.#busiest;
  }

  #take(cores: Cores): void {
    if (total(cores) > total(this.#busiest)) this.#busiest = cores;
  }

  #sample(): Cores {
    const now = performance.now();
    const micros = (now - this.#at) * MICROS_PER_MS;
    this.#at = now;
    const { servers, clients, others } = this.#pids();
    const used = (pids: readonly number[]) => pids.reduce((sum, pid) => sum + this.#used(pid), 0) / micros;
    return { servers: used(servers), clients: used(clients), others: used(others) };
  }

  /** CPU time of a process since the last sample, µs. A process counts from its second sample on. */
  #used(pid: number): number {
    let now: number;
    try {
      now = cpuMicros([pid]);
    } catch {
      return 0; // the process has ended
    }
    const before = this.#seen.get(pid) ?? now;
    this.#seen.set(pid, now);
    return now - before;
  }
}

const total = ({ servers, clients, others }: Cores): number => servers + clients + others;
