import { LOG_LABELS } from "./log-labels.ts";

/** Where a gateway's lines go, and what is said of all of them. */
export interface LogSenderOptions {
  /** Without a path, for example `http://127.0.0.1:3100`. */
  lokiUrl: string;
  /** Value of the label `host`: the same as the label `instance` of the gateway's metrics. */
  host: string;
}

const PERIOD = 500; // ms between two pushes
const MAX_LINES = 20_000; // that wait for a Loki which does not answer; older ones are left out
const BATCH = 2_000; // lines in a push
const ANSWER_LIMIT = 5_000; // ms

interface Line {
  nanoseconds: string;
  level: string | undefined;
  text: string;
}

/** Sends what a gateway prints to Loki, with the labels that the log shipper gives it on a VM: for a laptop, which has none. */
export class LogSender {
  readonly #options: LogSenderOptions;
  readonly #timer: NodeJS.Timeout;
  #waiting: Line[] = [];
  #rest = "";
  #last = 0n;
  #sending: Promise<void> | undefined;

  constructor(options: LogSenderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#flush(), PERIOD);
    this.#timer.unref();
  }

  /** Takes some output, whole lines or not. */
  add(output: string): void {
    const lines = (this.#rest + output).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const text of lines) if (text.trim() !== "") this.#take(text);
  }

  /** Sends what is left, once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#rest.trim() !== "") this.#take(this.#rest);
    this.#rest = "";
    await this.#flush();
    await this.#flush(); // what came during the first
  }

  #take(text: string): void {
    // Two lines of one time would change places.
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    this.#waiting.push({ nanoseconds: String(this.#last), level: levelOf(text), text });
    if (this.#waiting.length > MAX_LINES) this.#waiting.shift();
  }

  async #flush(): Promise<void> {
    this.#sending ??= this.#push().finally(() => {
      this.#sending = undefined;
    });
    await this.#sending;
  }

  /** What cannot be sent waits for the next time. */
  async #push(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      const answer = await fetch(`${this.#options.lokiUrl}/loki/api/v1/push`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ streams: this.#streams(batch) }),
        signal: AbortSignal.timeout(ANSWER_LIMIT),
      }).catch(() => undefined);
      // 400: Loki will never take them, for example because they are too old.
      if (!answer?.ok && answer?.status !== 400) return;
      this.#waiting = this.#waiting.slice(this.#waiting.indexOf(batch.at(-1) as Line) + 1);
    }
  }

  #streams(lines: readonly Line[]): object[] {
    const { host, role, container, level } = LOG_LABELS;
    const labels = { [host]: this.#options.host, [role]: "gateway", [container]: "gateway" };
    return [...Map.groupBy(lines, (line) => line.level)].map(([known, ofLevel]) => ({
      stream: known === undefined ? labels : { ...labels, [level]: known },
      values: ofLevel.map(({ nanoseconds, text }) => [nanoseconds, text]),
    }));
  }
}

/** What the gateway's pretty lines call their level, as JSON lines call it. */
const PRETTY: Record<string, string> = {
  TRACE: "debug",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  ERROR: "error",
  FATAL: "critical",
};

/** Value of the label `level`; undefined where the line does not say. */
export function levelOf(line: string): string | undefined {
  const [, severity] = /^\{.*?"severity":"([A-Z]+)"/.exec(line) ?? [];
  if (severity !== undefined) return severity.toLowerCase();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
  const [, pretty = ""] = /^\[[\d:.]+\] (?:\u001b\[\d+m)?([A-Z]+)/.exec(line) ?? [];
  return PRETTY[pretty];
}
