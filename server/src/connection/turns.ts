/**
 * Shares the time of the event loop among all clients of one process. Work that may take long is done in
 * small steps: each client that waits gets one step in turn, and after some milliseconds the event loop
 * handles everything else (live messages, health checks, other clients) before the next steps.
 */

import { Deque } from "../delivery/deque.ts";

/** Work of one client. */
export interface Job {
  /** Does one small step, until `turns.stepOver`. Returns true when more work can be done at once. */
  step(): boolean;
}

/** Time for all steps between two looks at the other work of the process, ms. */
const TURN_MS = 4;
/** Time for one step of one client, ms. */
const STEP_MS = 1;

export class Turns {
  readonly #clock: () => number;
  readonly #later: (turn: () => void) => void;
  readonly #jobs = new Deque<Job>();
  readonly #waiting = new Set<Job>();
  #running = false;
  #scheduled = false;
  /** Milliseconds of this turn that were used. */
  #used = 0;
  #stepEnd = 0;

  /**
   * @param clock milliseconds of any clock
   * @param later calls a function after the process has handled everything else that is due
   */
  constructor(
    clock: () => number = () => performance.now(),
    later: (turn: () => void) => void = (turn) => void setImmediate(turn),
  ) {
    this.#clock = clock;
    this.#later = later;
  }

  /** True when the running step has used its time. */
  get stepOver(): boolean {
    return this.#clock() >= this.#stepEnd;
  }

  /** Does the job's work: at once while this turn has time left, and the rest in later turns. */
  run(job: Job): void {
    if (this.#waiting.has(job)) return;
    this.#waiting.add(job);
    this.#jobs.push(job);
    if (!this.#running) this.#work();
  }

  #work(): void {
    this.#running = true;
    let now = this.#clock();
    while (this.#used < TURN_MS) {
      const job = this.#jobs.shift();
      if (job === undefined) break;
      this.#waiting.delete(job);
      this.#stepEnd = now + STEP_MS;
      if (job.step() && !this.#waiting.has(job)) {
        this.#waiting.add(job);
        this.#jobs.push(job);
      }
      const end = this.#clock();
      this.#used += end - now;
      now = end;
    }
    this.#running = false;
    if (this.#scheduled || (this.#used === 0 && this.#jobs.length === 0)) return;
    this.#scheduled = true;
    this.#later(() => {
      this.#scheduled = false;
      this.#used = 0;
      if (this.#jobs.length > 0) this.#work();
    });
  }
}
