/** Checks an event and encodes it for sending. Does not depend on NATS. */

import {
  GLOBAL,
  GLOBAL_EVENTS,
  isPriority,
  PRIORITIES,
  type Priority,
  parseSubject,
  subjectOf,
  TOKEN_EVENTS,
} from "@odin-ws/protocol";
import { InvalidEventError } from "./errors.ts";
import type { EventInput } from "./events.ts";

/** An event as it is sent. */
export interface EncodedEvent {
  readonly subject: string;
  /** For example `BTC.trade`. */
  readonly channel: string;
  /** Header `Nats-Msg-Id`. */
  readonly messageId: string;
  readonly type?: string;
  readonly priority?: Priority;
  /** JSON, UTF-8. */
  readonly body: Uint8Array;
  /** Size of the event in the queue: its body, its subject, its message id and an estimate of its headers. */
  readonly bytes: number;
}

// Header lines and protocol text around a body, without the subject and the message id.
const OVERHEAD_BYTES = 96;
// A control character would end the line of the header, and NATS trims spaces at both ends.
const ID = /^(?!\s)[^\p{Cc}\p{Cs}]{1,256}(?<!\s)$/u;
// Printable ASCII without the two characters that JSON escapes: the gateway writes a type between quotes as
// it is.
const TYPE = /^[!#-[\]-~]{1,64}$/;

const isOneOf = (names: readonly string[], name: unknown): boolean => names.includes(name as string);

function quote(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function subjectFrom(event: Record<string, unknown>, problems: string[]): string {
  const { event: kind, symbol, subject } = event;
  if (subject !== undefined) {
    if (typeof subject === "string" && parseSubject(subject) !== undefined) return subject;
    problems.push(
      "subject: must be odin.token.SYMBOL.EVENT or odin.global.EVENT (parts of 1 to 64 characters without space, dot, *, >, " +
        `" and \\; a symbol other than "global"), not ${quote(subject)}`,
    );
    return "";
  }
  if (isOneOf(GLOBAL_EVENTS, kind)) return subjectOf(`${GLOBAL}.${kind}`);
  if (!isOneOf(TOKEN_EVENTS, kind)) {
    problems.push(
      `event: must be one of ${[...TOKEN_EVENTS, ...GLOBAL_EVENTS].join(", ")}, not ${quote(kind)}; ` +
        "publish another event with a subject",
    );
    return "";
  }
  const name = `odin.token.${symbol}.${kind}`;
  if (typeof symbol === "string" && parseSubject(name) !== undefined) return name;
  problems.push(
    'symbol: must be 1 to 64 characters without space, dot, *, >, " and \\, other than "global", ' +
      `not ${quote(symbol)}`,
  );
  return "";
}

// JSON.stringify writes NaN and Infinity as null. A price that is not a number must not reach a browser as
// null.
function findNotFinite(value: unknown, path: string): string | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? undefined : `${path} is ${value}`;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, child] of Object.entries(value)) {
    const found = findNotFinite(child, `${path}.${name}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function toJson(data: unknown, problems: string[]): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    problems.push(
      `data: cannot be written as JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
    return "";
  }
  if (text === undefined) {
    problems.push(`data: must be an object, array, string, number, boolean or null, not ${quote(data)}`);
    return "";
  }
  const notFinite = text.includes("null") ? findNotFinite(data, "data") : undefined;
  if (notFinite !== undefined)
    problems.push(`data: ${notFinite}, and JSON has no such number; leave the field out or pass null`);
  return text;
}

/** The name of an event in errors: its id, and its channel or subject. */
export function nameOf(event: EventInput): string {
  const { id, event: kind, symbol, subject } = (event ?? {}) as unknown as Record<string, unknown>;
  const channel = subject ?? (symbol === undefined ? `${GLOBAL}.${kind}` : `${symbol}.${kind}`);
  return `${quote(id)} (${quote(channel).replaceAll('"', "")})`;
}

/**
 * Checks an event and encodes it.
 *
 * The message id is `{channel}:{id}`, because the stream compares the ids of all subjects with each other:
 * without the channel, a comment and a trade with the same number would count as one event.
 *
 * @throws InvalidEventError that names every mistake in the event
 */
export function encodeEvent(event: EventInput): EncodedEvent {
  if (typeof event !== "object" || event === null) {
    throw new InvalidEventError(quote(event), ["an event must be an object with id, event, symbol and data"]);
  }
  const problems: string[] = [];
  const { id, type, priority, data } = event;
  const subject = subjectFrom(event as unknown as Record<string, unknown>, problems);
  if (typeof id !== "string" || !ID.test(id)) {
    problems.push(
      `id: must be 1 to 256 characters without control characters, not ${quote(id)}; an id names one event on its channel and ` +
        "stays the same when the event is published again (if the event has no id, make one with crypto.randomUUID())",
    );
  }
  if (type !== undefined && (typeof type !== "string" || !TYPE.test(type))) {
    problems.push(
      `type: must be 1 to 64 printable ASCII characters without space, " and \\, not ${quote(type)}`,
    );
  }
  if (priority !== undefined && !isPriority(priority)) {
    problems.push(`priority: must be one of ${PRIORITIES.join(", ")}, not ${quote(priority)}`);
  }
  const body = Buffer.from(toJson(data, problems));
  const channel = parseSubject(subject)?.channel;
  if (problems.length > 0 || channel === undefined) throw new InvalidEventError(nameOf(event), problems);
  const messageId = `${channel}:${id}`;
  const bytes = body.length + 2 * subject.length + messageId.length + OVERHEAD_BYTES;
  return {
    subject,
    channel,
    messageId,
    body,
    bytes,
    ...(type !== undefined && { type }),
    ...(priority !== undefined && { priority }),
  };
}
