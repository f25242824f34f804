/** The first process's end of its workers. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import {
  type Answers,
  type Assignment,
  type Command,
  type Report,
  type Sample,
  WORKER_VARIABLE,
} from "../control.ts";

const CLOSE_MS = 1500; // time for closing handshakes

type Common = Omit<Assignment, "worker" | "workers">;

/** What a run asks of its workers. */
export type Team = Pick<Crew, "assign" | "ask" | "broken" | "close" | "kill">;
export type OnSample = (sample: Sample, worker: number) => void;

export class Crew {
  readonly #children: ChildProcess[];
  readonly #onSample: OnSample;
  readonly #pending = new Map<ChildProcess, Map<string, (result: unknown) => void>>();
  readonly #broken = Promise.withResolvers<never>();
  #closing = false;

  /** @param entry the file that runs a worker when `ODIN_LOADTEST_WORKER` is set */
  constructor(entry: string, workers: number, onSample: OnSample) {
    this.#onSample = onSample;
    this.#broken.promise.catch(() => {});
    this.#children = Array.from({ length: workers }, (_, worker) => this.#start(entry, worker));
  }

  #start(entry: string, worker: number): ChildProcess {
    const child = fork(entry, [], {
      env: { ...process.env, [WORKER_VARIABLE]: "1" },
      // Maps of times, as they are.
      serialization: "advanced",
      execArgv: ["--max-semi-space-size=8"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const answers = new Map<string, (result: unknown) => void>();
    this.#pending.set(child, answers);
    child.on("message", (report: Report) => {
      if (report.kind === "sample") this.#onSample(report.sample, worker);
      else {
        answers.get(report.to)?.(report.result);
        answers.delete(report.to);
      }
    });
    child.once("exit", (code, signal) => {
      if (!this.#closing) this.#broken.reject(new Error(`a worker ended with ${signal ?? code}`));
    });
    child.once("error", this.#broken.reject);
    return child;
  }

  /** Rejects when a worker ends before its time. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  assign(common: Common): Promise<unknown> {
    const workers = this.#children.length;
    const all = this.#children.map((child, worker) =>
      this.#ask(child, { kind: "assign", assignment: { ...common, worker, workers } }),
    );
    return Promise.race([Promise.all(all), this.broken]);
  }

  /** Tells all workers and returns their answers. */
  ask<K extends Command["kind"]>(command: Extract<Command, { kind: K }>): Promise<Answers[K][]> {
    const all = this.#children.map((child) => this.#ask(child, command) as Promise<Answers[K]>);
    return Promise.race([Promise.all(all), this.broken]);
  }

  #ask(child: ChildProcess, command: Command): Promise<unknown> {
    return new Promise((resolve) => {
      this.#pending.get(child)?.set(command.kind, resolve);
      // A worker that is gone is told of by `broken`.
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
