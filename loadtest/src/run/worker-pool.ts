/** Starts the worker processes and sends them commands. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  type Answers,
  type Assignment,
  type Command,
  type Sample,
  WORKER_VARIABLE,
  type WorkerMessage,
} from "../worker-messages.ts";

const CLOSE_MS = 1500; // for closing handshakes

/** The part of an assignment that is the same for all workers. */
type CommonAssignment = Omit<Assignment, "worker" | "workers">;

/** The part of the pool that a run uses. */
export type RunWorkers = Pick<WorkerPool, "assign" | "ask" | "failed" | "close" | "kill">;
export type OnSample = (sample: Sample, worker: number) => void;

export class WorkerPool {
  readonly #children: ChildProcess[];
  readonly #onSample: OnSample;
  readonly #pending = new Map<ChildProcess, Map<string, (result: unknown) => void>>();
  readonly #failed = Promise.withResolvers<never>();
  #closing = false;

  /** @param entry the file that runs as a worker when `ODIN_LOADTEST_WORKER` is set */
  constructor(entry: string, workers: number, onSample: OnSample) {
    this.#onSample = onSample;
    this.#failed.promise.catch(() => {});
    this.#children = Array.from({ length: workers }, (_, worker) => this.#start(entry, worker));
  }

  #start(entry: string, worker: number): ChildProcess {
    const child = fork(entry, [], {
      env: { ...process.env, [WORKER_VARIABLE]: "1" },
      // Structured clone, because samples contain Maps.
      serialization: "advanced",
      execArgv: ["--max-semi-space-size=8"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const answers = new Map<string, (result: unknown) => void>();
    this.#pending.set(child, answers);
    child.on("message", (message: WorkerMessage) => {
      if (message.kind === "sample") this.#onSample(message.sample, worker);
      else {
        answers.get(message.to)?.(message.result);
        answers.delete(message.to);
      }
    });
    child.once("exit", (code, signal) => {
      if (!this.#closing)
        this.#failed.reject(new Error(`worker process ${worker} ended unexpectedly with ${signal ?? code}`));
    });
    child.once("error", this.#failed.reject);
    return child;
  }

  /** Rejects when a worker ends unexpectedly; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  assign(common: CommonAssignment): Promise<unknown> {
    const workers = this.#children.length;
    const all = this.#children.map((child, worker) =>
      this.#ask(child, { kind: "assign", assignment: { ...common, worker, workers } }),
    );
    return Promise.race([Promise.all(all), this.failed]);
  }

  /** Sends a command to all workers and returns their answers. */
  ask<K extends Command["kind"]>(command: Extract<Command, { kind: K }>): Promise<Answers[K][]> {
    const all = this.#children.map((child) => this.#ask(child, command) as Promise<Answers[K]>);
    return Promise.race([Promise.all(all), this.failed]);
  }

  #ask(child: ChildProcess, command: Command): Promise<unknown> {
    return new Promise((resolve) => {
      this.#pending.get(child)?.set(command.kind, resolve);
      // An error here means that the worker has ended, which `failed` reports.
      child.send(command, () => {});
    });
  }

  /** Closes all connections and ends the workers. */
  async close(): Promise<void> {
    this.#closing = true;
    const alive = this.#children.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const gone = alive.map((child) => once(child, "exit"));
    const closed = Promise.all(
      alive.map((child) => this.#ask(child, { kind: "close", timeoutMs: CLOSE_MS })),
    );
    await Promise.race([closed, ...gone, new Promise((resolve) => setTimeout(resolve, 4 * CLOSE_MS))]);
    for (const child of alive) child.kill("SIGKILL");
    await Promise.all(gone);
  }

  kill(): void {
    this.#closing = true;
    for (const child of this.#children) child.kill("SIGKILL");
  }
}
