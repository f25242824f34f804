/** Reads the entries in an answer of POLL_URL, and finds the entries that were not in an earlier answer. */

export interface Entry {
  subject: string;
  /** Milliseconds since 1970. */
  ts: number;
  /** JSON. */
  data: string;
}

// Part of ECMAScript 2026, but not yet of TypeScript's libraries.
// https://tc39.es/proposal-json-parse-with-source/
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

/**
 * Keeps the server's spelling of a number that JavaScript would write differently (1.10,
 * 12345678901234567890).
 */
function keepNumber(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return Json.rawJSON(source);
}

/** Parses JSON for `readEntry`; numbers keep their spelling. */
export function parseAnswer(text: string): unknown {
  return Json.parse(text, keepNumber);
}

/** Reads one element of the array. Returns the entry, or a text that describes the mistake. */
export function readEntry(value: unknown, since: number): Entry | string {
  if (typeof value !== "object" || value === null) return `not an object but ${quote(value)}`;
  const { subject, ts, data } = value as Record<string, unknown>;
  if (typeof subject !== "string" || subject === "") return `"subject" must be a text, not ${quote(subject)}`;
  const time = Json.isRawJSON(ts) ? Number(ts.rawJSON) : ts;
  if (typeof time !== "number" || !Number.isSafeInteger(time) || time < 0) {
    return `"ts" must be whole milliseconds since 1970, not ${quote(ts)}`;
  }
  if (time < since) return `"ts" ${time} is before since=${since} of the request: is it in milliseconds?`;
  if (data === undefined) return `"data" is missing (${quote(subject)})`;
  return { subject, ts: time, data: JSON.stringify(data) };
}

/**
 * The time from which to ask next, and the entries since then that were received already. Entries with the
 * same subject, time and data are the same entry.
 */
export class PollCursor {
  /**
   * Value of `since` for the next request, ms. It does not matter whether events at exactly this time are
   * included.
   */
  since = 0;
  /** Entries that were received, by time. */
  readonly #seen = new Map<number, Set<string>>();

  /** Skips all events before this time. Never goes back. */
  skipTo(since: number): void {
    this.since = Math.max(this.since, since);
    for (const ts of this.#seen.keys()) if (ts < this.since) this.#seen.delete(ts);
  }

  /** Requests from this time, which may be before the present one. */
  restartAt(since: number): void {
    this.since = since;
    this.skipTo(since);
  }

  /**
   * Returns the new entries of an answer, sorted by time; entries with equal times keep their order. The next
   * request starts behind them.
   *
   * @param now latest time that the clock of the events may show, milliseconds since 1970
   */
  takeNew(answer: Entry[], now: number): Entry[] {
    const fresh: Entry[] = [];
    let last = 0;
    for (const entry of answer.sort((a, b) => a.ts - b.ts)) {
      // A time in the future, from a wrong clock, must not make the cursor skip the events before it.
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

/** Returns a value as text for a log line, shortened. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
