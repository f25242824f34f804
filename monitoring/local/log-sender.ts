import { LOG_LABELS } from "../limits/log-labels.ts";

/** Where the lines of a gateway are sent, and their label. */
export interface LogSenderOptions {
  /** Base URL of Loki without a path, for example `http://127.0.0.1:3100`. */
  lokiUrl: string;
  /** Value of the label `host`: the same as the label `instance` of the gateway's metrics. */
  host: string;
}

const PERIOD_MS = 500; // ms between two pushes
const MAX_RECORDS = 20_000; // waiting records; when Loki does not answer, the oldest records are dropped
const BATCH = 2_000; // records in a push
const ANSWER_LIMIT_MS = 5_000; // ms

const SETTLED_MS = 100; // ms without a further line after which a record is complete
const MAX_RECORD = 60_000; // characters; Loki cuts lines that are longer than 64 KB

/**
 * A line of the output with the indented lines that follow: a stack trace, or the fields of a line in pretty
 * format.
 */
interface LogRecord {
  nanoseconds: string;
  level: string | undefined;
  text: string;
  /** Time at which the last line of the record arrived, in ms since 1970. */
  at: number;
}

/**
 * Sends the output of a gateway to Loki, for a laptop without a log shipper. Lines get the same labels as the
 * log shipper gives them on a VM.
 */
export class LogSender {
  readonly #options: LogSenderOptions;
  readonly #timer: NodeJS.Timeout;
  #waiting: LogRecord[] = [];
  /** The last record of `#waiting`, while more lines of it may arrive. */
  #open: LogRecord | undefined;
  #rest = "";
  #last = 0n;
  #sending: Promise<void> | undefined;

  constructor(options: LogSenderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#flush(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Adds output of the gateway. The output may end in the middle of a line. */
  add(output: string): void {
    const lines = (this.#rest + output).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const text of lines) if (text.trim() !== "") this.#take(text);
  }

  /** Sends the remaining records. Records that Loki does not accept now are lost. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#rest.trim() !== "") this.#take(this.#rest);
    this.#rest = "";
    this.#open = undefined;
    await this.#flush();
    await this.#flush(); // records that were added during the first flush
  }

  #take(text: string): void {
    const at = Date.now();
    const head = this.#open;
    if (head !== undefined && /^\s/.test(text) && head.text.length + text.length < MAX_RECORD) {
      head.text += `\n${text}`;
      head.at = at;
      return;
    }
    // Loki does not keep the order of records with the same time.
    const now = BigInt(at) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    this.#open = { nanoseconds: String(this.#last), level: levelOf(text), text, at };
    this.#waiting.push(this.#open);
    if (this.#waiting.length > MAX_RECORDS) this.#waiting.shift();
  }

  /** The records to send next, without a last record that is not complete. */
  #batch(): LogRecord[] {
    if (this.#open !== undefined && Date.now() - this.#open.at >= SETTLED_MS) this.#open = undefined;
    const whole = this.#open === undefined ? this.#waiting.length : this.#waiting.length - 1;
    return this.#waiting.slice(0, Math.min(whole, BATCH));
  }

  async #flush(): Promise<void> {
    this.#sending ??= this.#push().finally(() => {
      this.#sending = undefined;
    });
    await this.#sending;
  }

  /** Sends the waiting records. Records that cannot be sent wait for the next push. */
  async #push(): Promise<void> {
    for (let batch = this.#batch(); batch.length > 0; batch = this.#batch()) {
      const answer = await fetch(`${this.#options.lokiUrl}/loki/api/v1/push`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ streams: this.#streams(batch) }),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      }).catch(() => undefined);
      // 400: Loki will never accept these records, for example because they are too old.
      if (!answer?.ok && answer?.status !== 400) return;
      this.#waiting = this.#waiting.slice(this.#waiting.indexOf(batch.at(-1) as LogRecord) + 1);
    }
  }

  #streams(records: readonly LogRecord[]): object[] {
    const { host, role, container, level } = LOG_LABELS;
    const labels = { [host]: this.#options.host, [role]: "gateway", [container]: "gateway" };
    return [...Map.groupBy(records, (record) => record.level)].map(([known, ofLevel]) => ({
      stream: known === undefined ? labels : { ...labels, [level]: known },
      values: ofLevel.map(({ nanoseconds, text }) => [nanoseconds, text]),
    }));
  }
}

/** Levels of the gateway's pretty format, and their names in JSON lines. */
const PRETTY: { [name: string]: string } = {
  TRACE: "debug",
  DEBUG: "debug",
  INFO: "info",
  WARN: "warning",
  ERROR: "error",
  FATAL: "critical",
};

/** Value of the label `level`; undefined for a line without a level. */
export function levelOf(line: string): string | undefined {
  const [, severity] = /^\{.*?"severity":"([A-Z]+)"/.exec(line) ?? [];
  if (severity !== undefined) return severity.toLowerCase();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal
  const [, pretty = ""] = /^\[[\d:.]+\] (?:\u001b\[\d+m)?([A-Z]+)/.exec(line) ?? [];
  return PRETTY[pretty];
}
