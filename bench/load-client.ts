/** The bench's end of its load process. */

import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Answer, Answers, Command } from "./load-control.ts";
import { cpuMicros, runModule, stop } from "./process.ts";

export class LoadClient {
  readonly #process: ChildProcess = runModule(new URL("./load.ts", import.meta.url));

  /** Microseconds of CPU that the load itself has used. */
  get cpuMicros(): number {
    return this.#process.pid === undefined ? 0 : cpuMicros([this.#process.pid]);
  }

  /** One command at a time. @throws what went wrong in the load process, also its end */
  async ask<K extends Command["kind"]>(command: Extract<Command, { kind: K }>): Promise<Answers[K]> {
    this.#process.send(command);
    const gone = new AbortController();
    const left = once(this.#process, "exit", { signal: gone.signal }).then(
      () => [{ error: "the load process has ended" }],
      () => [{ error: "" }], // Not needed any more.
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
