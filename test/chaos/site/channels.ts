/** Channels on which messages are published, and what clients watch. */

/** Events of different priorities: slow clients are throttled by priority. */
const EVENTS = ["trade", "metadata", "balances", "social", "liquidity"] as const;
/** Names that most clients watch. */
const WATCHED = 4;
/** One client of this number watches patterns. */
const PATTERNS_EVERY = 7;
/** One client of this number watches most messages, and soon becomes slow on a bad line. */
export const HEAVY_EVERY = 6;

/** `count` channels of symbols that have all events. */
export function channelsOf(count: number): string[] {
  return Array.from(
    { length: count },
    (_, n) => `S${Math.floor(n / EVENTS.length)}.${EVENTS[n % EVENTS.length]}`,
  );
}

/** Channels and patterns that a client watches, from a number that chooses among the channels. */
export function watchlist(channels: readonly string[], viewer: number, from: number): string[] {
  const at = (n: number) => channels[n % channels.length] as string;
  const some = Array.from({ length: WATCHED }, (_, n) => at(from * WATCHED + n));
  const symbol = at(from).split(".")[0];
  // These overlap: one message may match three of the names.
  if (viewer % HEAVY_EVERY === 0) return ["*.trade", "*.balances", "*.metadata", ...some];
  if (viewer % PATTERNS_EVERY === 0) return [`${symbol}.*`, ...some];
  return some;
}
