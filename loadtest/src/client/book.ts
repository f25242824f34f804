/** Every message that reached this process, by its offset: the first copy is read and checked, every other one compared with it. */

import type { Entry } from "../control.ts";
import { digest, unseal } from "../traffic/payload.ts";
import type { FeedKind } from "../traffic/plan.ts";

export interface Known extends Entry {
  /** Microseconds since 1970 from which latency counts. */
  sinceMicros: number;
  /** The envelope from behind `"seq":N,` to its end. */
  body: Buffer;
  seenAt: number;
}

/** An envelope as it lies in a buffer. */
export interface Sighting {
  seq: number;
  offset: number;
  known: Known;
}

export class BrokenContent extends Error {}

const SEQ = Buffer.from('{"seq":');
const OFFSET = Buffer.from('"offset":');
const DATA = ',"data":';
const COMMA = 0x2c;
const KEPT_MS = 120_000; // 2 min: copies that come later than this are read anew

/** True for an envelope; every other message begins with its type. */
export const looksLikeEnvelope = (bytes: Buffer, start: number): boolean => bytes[start + 2] === SEQ[2];

function numberAt(bytes: Buffer, from: number): { value: number; end: number } {
  let value = 0;
  let at = from;
  for (; ; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return { value: at === from ? Number.NaN : value, end: at };
}

const glimpse = (bytes: Buffer, start: number, end: number): string =>
  JSON.stringify(bytes.toString("utf8", start, Math.min(end, start + 120)));

export class Book {
  readonly #kind: FeedKind;
  readonly #known = new Map<number, Known>();
  #news: Entry[] = [];

  constructor(kind: FeedKind) {
    this.#kind = kind;
  }

  channelOf(offset: number): string | undefined {
    return this.#known.get(offset)?.channel;
  }

  /**
   * Reads an envelope.
   *
   * @throws BrokenContent when it is not what it should be, or not what another client was sent
   */
  read(bytes: Buffer, start: number, end: number, now: number): Sighting {
    const seq = numberAt(bytes, start + SEQ.length);
    const body = seq.end + 1;
    const marked =
      bytes[seq.end] === COMMA && bytes.compare(OFFSET, 0, OFFSET.length, body, body + OFFSET.length) === 0;
    const offset = marked ? numberAt(bytes, body + OFFSET.length).value : Number.NaN;
    if (!(seq.value >= 1) || Number.isNaN(offset))
      throw new BrokenContent(
        `an envelope without seq and offset at its begin: ${glimpse(bytes, start, end)}`,
      );
    const known = this.#known.get(offset);
    if (known === undefined) return { seq: seq.value, offset, known: this.#add(bytes, body, end, now) };
    if (known.body.compare(bytes, body, end) !== 0)
      throw new BrokenContent(
        `offset ${offset} differs between clients: ${glimpse(bytes, body, end)} and ${glimpse(known.body, 0, 120)}`,
      );
    return { seq: seq.value, offset, known };
  }

  #add(bytes: Buffer, start: number, end: number, now: number): Known {
    const body = Buffer.from(bytes.subarray(start, end));
    const text = body.toString();
    let envelope: { offset: number; ts: number; type: string; channel: string; data: unknown };
    try {
      envelope = JSON.parse(`{${text}`);
    } catch {
      throw new BrokenContent(`an envelope that is no JSON: ${glimpse(body, 0, 120)}`);
    }
    const { offset, ts, channel, data, type } = envelope;
    if (
      typeof channel !== "string" ||
      typeof type !== "string" ||
      !Number.isSafeInteger(ts) ||
      data === undefined
    )
      throw new BrokenContent(`an envelope without channel, type, ts or data: ${glimpse(body, 0, 120)}`);
    let sinceMicros = ts * 1000;
    if (this.#kind === "own") {
      const payload = unseal(text.slice(text.indexOf(DATA) + DATA.length, -1));
      if (typeof payload === "string") throw new BrokenContent(`offset ${offset} was altered: ${payload}`);
      sinceMicros = payload.due;
    }
    const known: Known = { offset, channel, hash: digest(body), sinceMicros, body, seenAt: now };
    this.#known.set(offset, known);
    this.#news.push({ offset, channel, hash: known.hash });
    return known;
  }

  /** Entries since the last call; forgets what is old. `now` as in `read`, ms. */
  takeNews(now: number): Entry[] {
    for (const { offset, seenAt } of this.#known.values()) {
      if (seenAt > now - KEPT_MS) break; // the map is in the order of sight
      this.#known.delete(offset);
    }
    const news = this.#news;
    this.#news = [];
    return news;
  }

  /** The stream was replaced: offsets count anew. */
  clear(): void {
    this.#known.clear();
    this.#news = [];
  }
}
