/** Starts the load process and sends it commands. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Answer, Answers, Command } from "./load-messages.ts";
import { cpuMicros, runModule, stop } from "./process.ts";

export class LoadClient {
  readonly #process: ChildProcess;

  /** @param through command line of a program that starts the load process */
  constructor(through: readonly string[] = []) {
    this.#process = runModule(new URL("./load-process.ts", import.meta.url), [], through);
  }

  /** Process id, once the process has started. */
  get pid(): number {
    if (this.#process.pid === undefined) throw new Error("the load process could not be started");
    return this.#process.pid;
  }

  /** CPU time that the load process has used, µs. */
  get cpuMicros(): number {
    return this.#process.pid === undefined ? 0 : cpuMicros([this.#process.pid]);
  }

  /**
   * Sends a command and returns its answer. One command at a time.
   *
   * @throws Error when the command failed or the load process ended
   */
  async ask<K extends Command["kind"]>(command: Extract<Command, { kind: K }>): Promise<Answers[K]> {
    this.#process.send(command);
    const gone = new AbortController();
    const left = once(this.#process, "exit", { signal: gone.signal }).then(
      () => [{ error: "the load process ended unexpectedly" }],
      () => [{ error: "" }], // aborted after the answer
    );
    const [answer] = (await Promise.race([once(this.#process, "message"), left])) as [Answer];
    gone.abort();
    if ("error" in answer) throw new Error(answer.error);
    return answer.result as Answers[K];
  }

  dispose(): Promise<void> {
    return stop(this.#process);
  }
}
