/**
 * Channels and subjects.
 *
 * A channel is `{SYMBOL}.{EVENT}` (`BTC.trade`) or `global.{EVENT}`; in a pattern either part may be `*`. On NATS the same
 * thing is called `odin.token.BTC.trade` or `odin.global.trending`; clients may use that name too.
 */

/** First part of a channel that belongs to no token. */
export const GLOBAL = "global";

// One part of a channel: anything that NATS allows in a subject's token and JSON needs no escape for.
const PART = /^[^\s.*>"\\\p{Cc}\p{Cs}]{1,64}$/u;

const isPart = (text: string | undefined): text is string => text !== undefined && PART.test(text);

/** True for a channel's name without wildcard, in its short form. */
export function isChannel(name: string): boolean {
  const dot = name.indexOf(".");
  return isPart(name.slice(0, dot === -1 ? 0 : dot)) && isPart(name.slice(dot + 1));
}

export const isPattern = (channel: string): boolean => channel.startsWith("*.") || channel.endsWith(".*");

/**
 * Brings what a client calls a channel into its short form: `odin.token.BTC.trade` → `BTC.trade`, `*.trade` → `*.trade`.
 * Returns undefined when it is neither a channel nor a pattern.
 */
export function parseChannel(name: unknown): string | undefined {
  if (typeof name !== "string" || name.length > 160) return undefined;
  const parts = name.split(".");
  if (parts[0] === "odin") {
    if (parts[1] === "token" && parts.length === 4) parts.splice(0, 2);
    else if (parts[1] === GLOBAL && parts.length === 3) parts.splice(0, 1);
  }
  if (parts.length !== 2) return undefined;
  if (!parts.every((part) => part === "*" || isPart(part))) return undefined;
  return parts.join(".");
}

/** The channel and event of a NATS subject, or undefined when the subject is none of ours. */
export function parseSubject(subject: string): { channel: string; event: string } | undefined {
  const parts = subject.split(".");
  if (parts[0] !== "odin") return undefined;
  const [, scope, third, fourth] = parts;
  if (scope === GLOBAL && parts.length === 3 && isPart(third))
    return { channel: `${GLOBAL}.${third}`, event: third };
  // A token named "global" would be taken for the global channels.
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

/** True when everything that `wanted` (a channel or pattern) stands for is covered by `pattern`. */
export function covers(pattern: string, wanted: string): boolean {
  const [symbol, event] = pattern.split(".");
  const [wantedSymbol, wantedEvent] = wanted.split(".");
  return (symbol === "*" || symbol === wantedSymbol) && (event === "*" || event === wantedEvent);
}
