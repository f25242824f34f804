/** Checks an event and turns it into what is sent. Knows no NATS. */

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
  /** `BTC.trade`. */
  readonly channel: string;
  /** Header `Nats-Msg-Id`. */
  readonly messageId: string;
  readonly type?: string;
  readonly priority?: Priority;
  /** JSON, UTF-8. */
  readonly body: Uint8Array;
  /** What the event counts in the queue: its body, its names and about what its headers take. */
  readonly bytes: number;
}

// Header lines and protocol around a body, beside the names that are counted one by one.
const OVERHEAD_BYTES = 96;
// No control characters (they would end the header's line), no space at the ends (NATS trims it).
const ID = /^(?!\s)[^\p{Cc}\p{Cs}]{1,256}(?<!\s)$/u;
// It stands in the envelope between quotes.
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
      `subject: ${quote(subject)} is none of odin.token.SYMBOL.EVENT and odin.global.EVENT (parts of 1 to 64 characters, ` +
        'without space, dot, *, >, " and \\; a symbol is not "global")',
    );
    return "";
  }
  if (isOneOf(GLOBAL_EVENTS, kind)) return subjectOf(`${GLOBAL}.${kind}`);
  if (!isOneOf(TOKEN_EVENTS, kind)) {
    problems.push(
      `event: ${quote(kind)} is none of ${[...TOKEN_EVENTS, ...GLOBAL_EVENTS].join(", ")}; publish another one by its subject`,
    );
    return "";
  }
  const name = `odin.token.${symbol}.${kind}`;
  if (typeof symbol === "string" && parseSubject(name) !== undefined) return name;
  problems.push(
    `symbol: ${quote(symbol)} cannot be part of a channel; write 1 to 64 characters without space, dot, *, >, " and \\, ` +
      'and not "global"',
  );
  return "";
}

// JSON turns these into null without a word; a price that is not a number must not reach a browser as null.
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
    problems.push(`data: ${quote(data)} is not JSON; pass an object, array, string, number, boolean or null`);
    return "";
  }
  const notFinite = text.includes("null") ? findNotFinite(data, "data") : undefined;
  if (notFinite !== undefined)
    problems.push(`data: ${notFinite}, which JSON cannot write; leave it out or pass null`);
  return text;
}

/** How errors name an event: its channel or subject, and its id. */
export function nameOf(event: EventInput): string {
  const { id, event: kind, symbol, subject } = (event ?? {}) as unknown as Record<string, unknown>;
  const channel = subject ?? (symbol === undefined ? `${GLOBAL}.${kind}` : `${symbol}.${kind}`);
  return `${quote(id)} (${quote(channel).replaceAll('"', "")})`;
}

/**
 * Checks an event and encodes it.
 *
 * The message id is `{channel}:{id}`: the stream remembers ids for all subjects together, and a comment must not be taken
 * for a trade that happens to have the same number.
 *
 * @throws InvalidEventError naming everything that is wrong with it.
 */
export function encodeEvent(event: EventInput): EncodedEvent {
  if (typeof event !== "object" || event === null) {
    throw new InvalidEventError(quote(event), ["an event is an object with id, event, symbol and data"]);
  }
  const problems: string[] = [];
  const { id, type, priority, data } = event;
  const subject = subjectFrom(event as unknown as Record<string, unknown>, problems);
  if (typeof id !== "string" || !ID.test(id)) {
    problems.push(
      `id: ${quote(id)} is no id; pass 1 to 256 characters without control characters that name this event on its channel, ` +
        "the same each time it is published (without one of its own: crypto.randomUUID(), made once)",
    );
  }
  if (type !== undefined && (typeof type !== "string" || !TYPE.test(type))) {
    problems.push(`type: ${quote(type)} must be 1 to 64 printable ASCII characters without space, " and \\`);
  }
  if (priority !== undefined && !isPriority(priority)) {
    problems.push(`priority: ${quote(priority)} is none of ${PRIORITIES.join(", ")}`);
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
