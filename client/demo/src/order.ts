/** The tokens of the table, and their order. */

import type { Market, Token } from "./market.ts";

const COLUMNS = ["rank", "symbol", "price", "change", "volume", "marketCap", "liquidity"] as const;
export type Column = (typeof COLUMNS)[number];
export interface Sort {
  readonly by: Column;
  readonly descending: boolean;
}

export const BY_RANK: Sort = { by: "rank", descending: false };
const MAX_ROWS = 100;
/** The order changes at most once in this time, because rows that move all the time cannot be read. */
const CALM_MS = 2_000; // 2 s

/**
 * The order after a click on a column: names and ranks ascending, figures descending; a second click reverses
 * the order.
 */
export function choose(sort: Sort, by: Column): Sort {
  if (sort.by === by) return { by, descending: !sort.descending };
  return { by, descending: by !== "rank" && by !== "symbol" };
}

/** Symbols in order. Before the first trending list: all known tokens, by volume. */
export function arrange(
  { tokens, trending }: Market,
  { by, descending }: Sort,
  query: string,
): readonly string[] {
  const listed =
    trending.length > 0 ? trending.flatMap((symbol) => tokens.get(symbol) ?? []) : byVolume(tokens);
  const wanted = query.trim().toLowerCase();
  const found = wanted === "" ? [...listed] : listed.filter((token) => matches(token, wanted));
  if (by === "symbol") found.sort((a, b) => a.symbol.localeCompare(b.symbol, "en"));
  else if (by !== "rank") found.sort((a, b) => compare(a[by], b[by], descending));
  if (descending && (by === "symbol" || by === "rank")) found.reverse();
  return found.map(({ symbol }) => symbol);
}

function byVolume(tokens: ReadonlyMap<string, Token>): Token[] {
  return [...tokens.values()].sort((a, b) => compare(a.volume, b.volume, true)).slice(0, MAX_ROWS);
}

const matches = ({ symbol, name }: Token, wanted: string): boolean =>
  symbol.toLowerCase().includes(wanted) || name.toLowerCase().includes(wanted);

// Unknown values are last in both directions.
function compare(a: number | undefined, b: number | undefined, descending: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return descending ? b - a : a - b;
}

const equal = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((symbol, n) => symbol === b[n]);

/**
 * Returns a selector of this order. The order changes at most every 2 s or with a new trending list; an
 * unchanged order is the same array.
 */
export function calmOrder(
  sort: Sort,
  query: string,
  now: () => number = () => performance.now(),
): (market: Market) => readonly string[] {
  let last: readonly string[] | undefined;
  let list: readonly string[] | undefined;
  let at = 0;
  return (market) => {
    if (last !== undefined && last.length > 0 && market.trending === list && now() - at < CALM_MS)
      return last;
    const next = arrange(market, sort, query);
    list = market.trending;
    at = now();
    last = last !== undefined && equal(last, next) ? last : next;
    return last;
  };
}
