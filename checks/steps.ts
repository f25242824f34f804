import { setTimeout as sleep } from "node:timers/promises";

const PAUSE = 2_000; // 2 s between two attempts
const LONGEST_WAIT = 10_000; // 10 s for one answer
const SHORTEST_WAIT = 3_000; // 3 s, also where the deadline is nearer: the last attempt must be able to say what is wrong

/** A step that failed: what came, what was expected, and where to look. */
export class StepError extends Error {
  override readonly name = "StepError";
  readonly step: string;

  /** @param cause what the step threw */
  constructor(step: string, message: string, cause: unknown) {
    super(message, { cause });
    this.step = step;
  }
}

/** How a run of steps is bounded and told. */
export interface StepsOptions {
  /** Milliseconds for all of it, attempts and waits together. */
  deadline: number;
  /** Gets each line, without the end of the line. */
  print: (line: string) => void;
  /** What no line may show. */
  secrets?: readonly string[];
  /** Before the name of each step. Default: nothing. */
  prefix?: string;
}

/** Runs steps until they all succeed or the time is over, and tells each in one line: `ok connect 43 ms`. */
export class Steps {
  readonly #end: number;
  readonly #print: (line: string) => void;
  readonly #secrets: readonly string[];
  readonly #prefix: string;
  readonly #told = new Set<string>();

  constructor({ deadline, print, secrets = [], prefix = "" }: StepsOptions) {
    this.#end = performance.now() + deadline;
    this.#print = print;
    this.#secrets = secrets.filter((secret) => secret !== "");
    this.#prefix = prefix;
  }

  /** Milliseconds that one answer may take now. */
  get wait(): number {
    return Math.max(SHORTEST_WAIT, Math.min(LONGEST_WAIT, this.#end - performance.now()));
  }

  /** One line, secrets struck out. */
  tell(line: string): void {
    let safe = line;
    for (const secret of this.#secrets) safe = safe.replaceAll(secret, "[secret]");
    this.#print(safe);
  }

  /**
   * Does one step and tells that it is ok, once, however often it is done again.
   *
   * @param lookAt ends the line of a failure: where a person looks next
   * @param detail what to add to the line of a success
   * @throws StepError
   */
  async step<T>(
    name: string,
    work: () => Promise<T>,
    lookAt: (error: unknown) => string,
    detail: (value: T) => string = () => "",
  ): Promise<T> {
    const start = performance.now();
    try {
      const value = await work();
      const more = detail(value);
      if (!this.#told.has(name))
        this.tell(
          `ok ${this.#prefix}${name} ${Math.round(performance.now() - start)} ms${more && `: ${more}`}`,
        );
      this.#told.add(name);
      return value;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new StepError(this.#prefix + name, `${message}. ${lookAt(error)}`, error);
    }
  }

  /** Attempts steps again and again. Returns whether they succeeded; where they did not, the last failure has been told. */
  async untilOk(attempt: () => Promise<void>): Promise<boolean> {
    let last = "";
    for (;;) {
      try {
        await attempt();
        return true;
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
        const line = `${error.step}: ${error.message}`;
        if (this.#end - performance.now() <= PAUSE) {
          this.tell(`FAILED ${line}`);
          return false;
        }
        if (line !== last) this.tell(`again ${line}`);
        last = line;
        await sleep(PAUSE);
      }
    }
  }
}
