/** The figures of each token, folded from the messages of the market. */

import type { FeedDefinition, Received } from "../../src/react/index.ts";
import { TABLE_CHANNELS } from "./events.ts";

/** A price, and its time in seconds since 1970. */
export interface Point {
  readonly time: number;
  readonly value: number;
}

/** Immutable: a change makes another object. Money is in US dollars. */
export interface Token {
  readonly symbol: string;
  readonly name: string;
  readonly price: number | undefined;
  /** Direction of the last change of the price. */
  readonly direction: -1 | 0 | 1;
  /** Number of changes of the price. */
  readonly moves: number;
  /** Change in 24 h, percent. */
  readonly change: number | undefined;
  readonly volume: number | undefined;
  readonly marketCap: number | undefined;
  readonly liquidity: number | undefined;
  readonly holders: number | undefined;
  /** Prices since the page was opened, at most one per second. */
  readonly points: readonly Point[];
}

export interface Market {
  readonly tokens: ReadonlyMap<string, Token>;
  /** Symbols by rank, from the last trending list. */
  readonly trending: readonly string[];
}

type Fields = Record<string, unknown>;
type Draft = { -readonly [Key in keyof Token]: Token[Key] };

const MAX_POINTS = 600;
/** Beyond this many tokens, tokens that are not on the list are forgotten. */
const MAX_TOKENS = 1_000;

const fieldsOf = (data: unknown): Fields =>
  typeof data === "object" && data !== null ? (data as Fields) : {};
const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;
const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Changes from one batch of messages. Each changed token is copied once. */
class Turn {
  readonly tokens: Map<string, Token>;
  trending: readonly string[];
  readonly #drafts = new Map<string, Draft & { points: Point[] }>();

  constructor({ tokens, trending }: Market) {
    this.tokens = new Map(tokens);
    this.trending = trending;
  }

  take({ message, late }: Received): void {
    const { channel, data, ts } = message;
    if (channel === "global.trending") return late ? undefined : this.#list(data, ts);
    // A late message is older than the figures on the page.
    if (late) return;
    const [symbol = "", event] = channel.split(".");
    const fields = fieldsOf(data);
    const token = this.#draft(symbol);
    describe(token, fields);
    if (event === "trade" || event === "update") setPrice(token, numberOf(fields.price), ts);
  }

  #list(data: unknown, ts: number): void {
    if (!Array.isArray(data)) return;
    const symbols: string[] = [];
    for (const item of data.map(fieldsOf)) {
      const symbol = textOf(item.symbol);
      if (symbol === undefined) continue;
      symbols.push(symbol);
      const token = this.#draft(symbol);
      describe(token, item);
      setPrice(token, numberOf(item.price), ts);
    }
    this.trending = symbols;
    for (const symbol of this.tokens.keys()) {
      if (this.tokens.size <= MAX_TOKENS) break;
      if (!symbols.includes(symbol)) this.tokens.delete(symbol);
    }
  }

  #draft(symbol: string): Draft & { points: Point[] } {
    const known = this.#drafts.get(symbol);
    if (known !== undefined) return known;
    const token = this.tokens.get(symbol);
    const draft = token === undefined ? newToken(symbol) : { ...token, points: [...token.points] };
    this.#drafts.set(symbol, draft);
    this.tokens.set(symbol, draft);
    return draft;
  }
}

function newToken(symbol: string): Draft & { points: Point[] } {
  return {
    symbol,
    name: symbol,
    price: undefined,
    direction: 0,
    moves: 0,
    change: undefined,
    volume: undefined,
    marketCap: undefined,
    liquidity: undefined,
    holders: undefined,
    points: [],
  };
}

function describe(token: Draft, fields: Fields): void {
  token.name = textOf(fields.name) ?? token.name;
  token.change = numberOf(fields.change24h) ?? token.change;
  token.volume = numberOf(fields.volume24h) ?? token.volume;
  token.marketCap = numberOf(fields.marketCap) ?? token.marketCap;
  token.liquidity = numberOf(fields.liquidity) ?? token.liquidity;
  token.holders = numberOf(fields.holders) ?? token.holders;
}

function setPrice(token: Draft & { points: Point[] }, price: number | undefined, ts: number): void {
  if (price === undefined) return;
  if (token.price !== undefined && price !== token.price) {
    token.direction = price > token.price ? 1 : -1;
    token.moves++;
  }
  token.price = price;
  const { points } = token;
  const last = points.at(-1);
  // If the gateway's clock was set back, the time on the chart must not go back.
  const time = Math.max(Math.floor(ts / 1_000), last?.time ?? 0);
  if (last?.time === time) points.pop();
  points.push({ time, value: price });
  if (points.length > MAX_POINTS) points.shift();
}

export const market: FeedDefinition<Market> = {
  channels: TABLE_CHANNELS,
  // People cannot read a row that changes more often.
  maxRate: 4,
  last: true,
  initial: { tokens: new Map(), trending: [] },
  fold(state, batch) {
    const turn = new Turn(state);
    for (const received of batch) turn.take(received);
    return { tokens: turn.tokens, trending: turn.trending };
  },
};
