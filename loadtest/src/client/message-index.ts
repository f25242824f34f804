/**
 * All messages that reached this process, by offset. The first copy of a message is parsed and checked; every
 * other copy is only compared with the first one, byte for byte.
 */

import { digest, unseal } from "../traffic/payload.ts";
import type { FeedKind } from "../traffic/plan.ts";
import type { StreamMessage } from "../worker-messages.ts";

export interface IndexedMessage extends StreamMessage {
  /** Microseconds since 1970 from which latency counts. */
  dueMicros: number;
  /** The envelope after `"seq":N,`, to its end. */
  body: Buffer;
  receivedAtMs: number;
}

/** An envelope that one client received. */
export interface ReceivedEnvelope {
  seq: number;
  offset: number;
  message: IndexedMessage;
  /** The envelope is a last value, which the client asked for. */
  isLast: boolean;
}

/** An envelope is malformed, altered, or differs from the copy of another client. */
export class ContentError extends Error {}

const SEQ = Buffer.from('{"seq":');
const OFFSET = Buffer.from('"offset":');
/** Follows the offset in a last value, and is no part of the message. */
const LAST = Buffer.from(',"last":true');
const DATA = ',"data":';
const COMMA = 0x2c;
const KEPT_MS = 120_000; // 2 min: a copy that arrives later is parsed again, like a first one

/** True for an envelope; every other message starts with `{"type":`. */
export const isEnvelope = (bytes: Buffer, start: number): boolean => bytes[start + 2] === SEQ[2];

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

const excerpt = (bytes: Buffer, start: number, end: number): string =>
  JSON.stringify(bytes.toString("utf8", start, Math.min(end, start + 120)));

export class MessageIndex {
  readonly #kind: FeedKind;
  /** By offset, in the order in which the messages were first received. */
  readonly #messages = new Map<number, IndexedMessage>();
  #new: StreamMessage[] = [];

  constructor(kind: FeedKind) {
    this.#kind = kind;
  }

  channelOf(offset: number): string | undefined {
    return this.#messages.get(offset)?.channel;
  }

  /**
   * Reads an envelope.
   *
   * @param nowMs milliseconds since 1970
   * @throws ContentError when the envelope is malformed, altered, or differs from another client's copy
   */
  read(bytes: Buffer, start: number, end: number, nowMs: number): ReceivedEnvelope {
    const seq = numberAt(bytes, start + SEQ.length);
    const body = seq.end + 1;
    const marked =
      bytes[seq.end] === COMMA && bytes.compare(OFFSET, 0, OFFSET.length, body, body + OFFSET.length) === 0;
    const number = marked ? numberAt(bytes, body + OFFSET.length) : { value: Number.NaN, end: body };
    const offset = number.value;
    if (!(seq.value >= 1) || Number.isNaN(offset))
      throw new ContentError(`an envelope does not start with seq and offset: ${excerpt(bytes, start, end)}`);
    const rest = number.end + LAST.length;
    const isLast = rest <= end && bytes.compare(LAST, 0, LAST.length, number.end, rest) === 0;
    // A last value is compared without its mark, so that all copies of a message are the same.
    if (isLast) {
      const text = Buffer.concat([bytes.subarray(body, number.end), bytes.subarray(rest, end)]);
      return { seq: seq.value, offset, message: this.#same(offset, text, 0, text.length, nowMs), isLast };
    }
    return { seq: seq.value, offset, message: this.#same(offset, bytes, body, end, nowMs), isLast };
  }

  /** The message of an offset, which has the same text for all clients. */
  #same(offset: number, bytes: Buffer, start: number, end: number, nowMs: number): IndexedMessage {
    const message = this.#messages.get(offset);
    if (message === undefined) return this.#add(bytes, start, end, nowMs);
    if (message.body.compare(bytes, start, end) !== 0)
      throw new ContentError(
        `offset ${offset} differs between clients: ${excerpt(bytes, start, end)} and ${excerpt(message.body, 0, 120)}`,
      );
    return message;
  }

  #add(bytes: Buffer, start: number, end: number, receivedAtMs: number): IndexedMessage {
    const body = Buffer.from(bytes.subarray(start, end));
    const text = body.toString();
    let envelope: { offset: number; ts: number; type: string; channel: string; data: unknown };
    try {
      envelope = JSON.parse(`{${text}`);
    } catch {
      throw new ContentError(`an envelope is not JSON: ${excerpt(body, 0, 120)}`);
    }
    const { offset, ts, channel, data, type } = envelope;
    if (
      typeof channel !== "string" ||
      typeof type !== "string" ||
      !Number.isSafeInteger(ts) ||
      data === undefined
    )
      throw new ContentError(`an envelope lacks channel, type, ts or data: ${excerpt(body, 0, 120)}`);
    let dueMicros = ts * 1000;
    if (this.#kind === "own") {
      const payload = unseal(text.slice(text.indexOf(DATA) + DATA.length, -1));
      if (typeof payload === "string") throw new ContentError(`offset ${offset} was altered: ${payload}`);
      dueMicros = payload.due;
    }
    const message = { offset, channel, hash: digest(body), dueMicros, body, receivedAtMs };
    this.#messages.set(offset, message);
    this.#new.push({ offset, channel, hash: message.hash });
    return message;
  }

  /** Returns the messages that are new since the last call, and forgets old ones. `nowMs` as in `read`. */
  takeNew(nowMs: number): StreamMessage[] {
    for (const { offset, receivedAtMs } of this.#messages.values()) {
      if (receivedAtMs > nowMs - KEPT_MS) break;
      this.#messages.delete(offset);
    }
    const messages = this.#new;
    this.#new = [];
    return messages;
  }

  /** Forgets everything, because the stream was replaced and its offsets start again. */
  clear(): void {
    this.#messages.clear();
    this.#new = [];
  }
}
