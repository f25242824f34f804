import { setTimeout as sleep } from "node:timers/promises";

const PAUSE_MS = 2_000; // 2 s between two attempts
const LONGEST_WAIT_MS = 10_000; // 10 s for one answer
// 3 s for one answer, even if the deadline is nearer: the last attempt must have time to find out what is
// wrong.
const SHORTEST_WAIT_MS = 3_000;

/** A step that failed. The message says what arrived, what was expected, and where to look. */
export class StepError extends Error {
  override readonly name = "StepError";
  readonly step: string;

  /** @param cause what the step threw */
  constructor(step: string, message: string, cause: unknown) {
    super(message, { cause });
    this.step = step;
  }
}

/** Time limit and output of a run of steps. */
export interface StepsOptions {
  /** Milliseconds for all attempts and pauses together. */
  deadline: number;
  /** Gets each line, without a newline. */
  print: (line: string) => void;
  /** Texts that are replaced by `[secret]` in each line. */
  secrets?: readonly string[];
  /** Text before the name of each step. Default: empty. */
  prefix?: string;
}

/**
 * Runs steps until they all succeed or the time is over, and reports each step in one line:
 * `ok connect 43 ms`.
 */
export class Steps {
  readonly #end: number;
  readonly #print: (line: string) => void;
  readonly #secrets: readonly string[];
  readonly #prefix: string;
  readonly #reported = new Set<string>();

  constructor({ deadline, print, secrets = [], prefix = "" }: StepsOptions) {
    this.#end = performance.now() + deadline;
    this.#print = print;
    this.#secrets = secrets.filter((secret) => secret !== "");
    this.#prefix = prefix;
  }

  /** Milliseconds that one answer may take now. */
  get wait(): number {
    return Math.max(SHORTEST_WAIT_MS, Math.min(LONGEST_WAIT_MS, this.#end - performance.now()));
  }

  /** Prints one line, without secrets. */
  report(line: string): void {
    let safe = line;
    for (const secret of this.#secrets) safe = safe.replaceAll(secret, "[secret]");
    this.#print(safe);
  }

  /**
   * Does one step and reports its success. When the step is repeated, the success is not reported again.
   *
   * @param lookAt returns the advice at the end of a failure: where a person should look
   * @param detail returns the text to add to the line of a success; undefined: the success is not reported
   * @throws StepError
   */
  async step<T>(
    name: string,
    work: () => Promise<T>,
    lookAt: (error: unknown) => string,
    detail: (value: T) => string | undefined = () => "",
  ): Promise<T> {
    const start = performance.now();
    try {
      const value = await work();
      const more = detail(value);
      if (more === undefined) return value;
      if (!this.#reported.has(name))
        this.report(
          `ok ${this.#prefix}${name} ${Math.round(performance.now() - start)} ms${more && `: ${more}`}`,
        );
      this.#reported.add(name);
      return value;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new StepError(this.#prefix + name, `${message}. ${lookAt(error)}`, error);
    }
  }

  /**
   * Repeats the steps until they succeed or the time is over. Returns whether they succeeded, and reports
   * failures.
   */
  async untilOk(attempt: () => Promise<void>): Promise<boolean> {
    let last = "";
    for (;;) {
      try {
        await attempt();
        return true;
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
        const line = `${error.step}: ${error.message}`;
        if (this.#end - performance.now() <= PAUSE_MS) {
          this.report(`FAILED ${line}`);
          return false;
        }
        if (line !== last) this.report(`again ${line}`);
        last = line;
        await sleep(PAUSE_MS);
      }
    }
  }
}
