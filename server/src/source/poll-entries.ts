/** What an answer of POLL_URL holds: reads its entries and tells the new ones from those that came before. */

export interface Entry {
  subject: string;
  /** Milliseconds since 1970. */
  ts: number;
  /** JSON. */
  data: string;
}

// Since ECMAScript 2026; TypeScript's libraries do not know them yet. https://tc39.es/proposal-json-parse-with-source/
interface RawJson {
  rawJSON: string;
}
const Json = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): RawJson;
  isRawJSON(value: unknown): value is RawJson;
};

/** Keeps a number that JavaScript would write differently (1.10, 12345678901234567890) as the server wrote it. */
function keepNumber(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return Json.rawJSON(source);
}

/** JSON.parse for what `readEntry` takes: numbers keep their spelling. */
export function parseAnswer(text: string): unknown {
  return Json.parse(text, keepNumber);
}

/** What one element of the array holds. Returns what is wrong with an entry when it is none. */
export function readEntry(value: unknown, since: number): Entry | string {
  if (typeof value !== "object" || value === null) return `not an object but ${quote(value)}`;
  const { subject, ts, data } = value as Record<string, unknown>;
  if (typeof subject !== "string" || subject === "") return `"subject" must be a text, not ${quote(subject)}`;
  const time = Json.isRawJSON(ts) ? Number(ts.rawJSON) : ts;
  if (typeof time !== "number" || !Number.isSafeInteger(time) || time < 0) {
    return `"ts" must be whole milliseconds since 1970, not ${quote(ts)}`;
  }
  if (time < since) return `"ts" ${time} lies before since=${since}, which was asked for (milliseconds?)`;
  if (data === undefined) return `"data" is missing (${quote(subject)})`;
  return { subject, ts: time, data: JSON.stringify(data) };
}

/** From where to ask, and what came from there on already. Two entries with the same subject, time and data are one. */
export class Overlap {
  /** Asked for next: events at or after this time, ms. Those right at it may come or not. */
  since = 0;
  /** Key: time. */
  readonly #seen = new Map<number, Set<string>>();

  /** Gives up what is older. Never goes back. */
  skipTo(since: number): void {
    this.since = Math.max(this.since, since);
    for (const ts of this.#seen.keys()) if (ts < this.since) this.#seen.delete(ts);
  }

  /**
   * Those of an answer that are new, by time, equal times as they came. The next question starts behind them.
   * `now`: ms since 1970.
   */
  take(answer: Entry[], now: number): Entry[] {
    const fresh: Entry[] = [];
    let last = 0;
    for (const entry of answer.sort((a, b) => a.ts - b.ts)) {
      // A time in the future, of a clock that is ahead or plainly wrong, must not hide what comes before it.
      if (entry.ts <= now) last = entry.ts;
      const key = `${entry.subject}\n${entry.data}`;
      const seen = this.#seen.get(entry.ts) ?? new Set();
      if (seen.has(key)) continue;
      this.#seen.set(entry.ts, seen.add(key));
      fresh.push(entry);
    }
    this.skipTo(last - 1);
    return fresh;
  }
}

/** A value as it may stand in a log line. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
