/**
 * Channels and subjects.
 *
 * A channel is `{SYMBOL}.{EVENT}` (`BTC.trade`) or `global.{EVENT}`; in a pattern either part may be `*`.
 * Each channel has a subject on NATS: `odin.token.BTC.trade`, `odin.global.trending`. Clients may use the
 * subject's name, too.
 */

/** First part of the channels that belong to the whole market instead of one token. */
export const GLOBAL = "global";

// One part of a channel: characters that NATS allows in a subject's token and that JSON does not escape.
const PART = /^[^\s.*>"\\\p{Cc}\p{Cs}]{1,64}$/u;
// Two parts or wildcards, after an optional `odin.token.`, or after `odin.` before `global.`.
const CHANNEL =
  /^(?:odin\.(?:token\.|(?=global\.)))?((?:\*|[^\s.*>"\\\p{Cc}\p{Cs}]{1,64})\.(?:\*|[^\s.*>"\\\p{Cc}\p{Cs}]{1,64}))$/u;

const isPart = (text: string | undefined): text is string => text !== undefined && PART.test(text);

export const isPattern = (channel: string): boolean => channel.startsWith("*.") || channel.endsWith(".*");

/**
 * Returns the short form of a channel or pattern: `odin.token.BTC.trade` → `BTC.trade`, `*.trade` →
 * `*.trade`. Returns undefined for any other value.
 */
export function parseChannel(name: unknown): string | undefined {
  return typeof name === "string" && name.length <= 160 ? CHANNEL.exec(name)?.[1] : undefined;
}

/** The channel and event of a NATS subject, or undefined for a subject outside of this protocol. */
export function parseSubject(subject: string): { channel: string; event: string } | undefined {
  const parts = subject.split(".");
  if (parts[0] !== "odin") return undefined;
  const [, scope, third, fourth] = parts;
  if (scope === GLOBAL && parts.length === 3 && isPart(third))
    return { channel: `${GLOBAL}.${third}`, event: third };
  // The channels of a token named "global" would look like the global channels.
  if (scope === "token" && parts.length === 4 && isPart(third) && third !== GLOBAL && isPart(fourth)) {
    return { channel: `${third}.${fourth}`, event: fourth };
  }
  return undefined;
}

/** The NATS subject of a channel in its short form. */
export function subjectOf(channel: string): string {
  return channel.startsWith(`${GLOBAL}.`) ? `odin.${channel}` : `odin.token.${channel}`;
}

/** The patterns that match a channel: `BTC.trade` → `BTC.*`, `*.trade`, `*.*`. */
export function patternsOf(channel: string): [string, string, string] {
  const dot = channel.indexOf(".");
  return [`${channel.slice(0, dot)}.*`, `*.${channel.slice(dot + 1)}`, "*.*"];
}

/** True when `pattern` matches every channel that `wanted` (a channel or a pattern) matches. */
export function covers(pattern: string, wanted: string): boolean {
  const [symbol, event] = pattern.split(".");
  const [wantedSymbol, wantedEvent] = wanted.split(".");
  return (symbol === "*" || symbol === wantedSymbol) && (event === "*" || event === wantedEvent);
}
