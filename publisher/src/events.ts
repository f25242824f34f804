/**
 * Typed events: what a crypto-token backend publishes.
 *
 * Money is in US dollars, amounts in tokens, `change…` in percent, times in milliseconds since 1970. Each kind names the
 * fields that clients may count on; more fields are welcome and travel as they are.
 */

import type { GlobalEvent, Priority, TokenEvent } from "@odin-ws/protocol";

/** Fields beyond those that a kind names. */
export interface MoreFields {
  [field: string]: unknown;
}

/** One executed trade. */
export interface Trade extends MoreFields {
  symbol: string;
  side: "buy" | "sell";
  price: number;
  amount: number;
  /** `price * amount`. */
  value: number;
  time: number;
}

/** The pool of a token after a deposit or withdrawal. */
export interface Liquidity extends MoreFields {
  symbol: string;
  pool: string;
  liquidity: number;
  /** What this deposit (> 0) or withdrawal (< 0) changed. */
  delta: number;
}

/** What a token is; replaces earlier metadata. */
export interface Metadata extends MoreFields {
  symbol: string;
  name: string;
  description?: string;
  image?: string;
}

/** Counts from social networks. */
export interface Social extends MoreFields {
  symbol: string;
  network: string;
  followers: number;
  mentions24h: number;
}

/** A comment on a token's page. */
export interface Comment extends MoreFields {
  symbol: string;
  commentId: string;
  author: string;
  text: string;
}

/** How many users have marked a token. */
export interface Favorites extends MoreFields {
  symbol: string;
  favorites: number;
}

/** A token came into being. */
export interface Creation extends MoreFields {
  symbol: string;
  name: string;
  creator: string;
  supply: number;
  price: number;
}

/** Aggregates over a window. */
export interface Analytics extends MoreFields {
  symbol: string;
  window: string;
  trades: number;
  buyers: number;
  sellers: number;
  /** Traded within the window, US dollars. */
  windowVolume: number;
}

/** A holder's balance after a transfer. */
export interface Balances extends MoreFields {
  symbol: string;
  wallet: string;
  balance: number;
  delta: number;
}

/** A token's figures, all at once. */
export interface TokenUpdate extends MoreFields {
  symbol: string;
  price: number;
  change24h: number;
  volume24h: number;
  marketCap: number;
}

/** One row of the trending list. */
export interface TrendingToken extends MoreFields {
  /** From 1. */
  rank: number;
  symbol: string;
  price: number;
  change24h: number;
  volume24h: number;
}

/** A token is open for trading. */
export interface NewListing extends MoreFields {
  symbol: string;
  name: string;
  price: number;
  time: number;
}

/** Returns `Data`, and fails the type check when `Data` lacks one of these events or has another. */
type ForEach<
  Event extends string,
  Data extends Record<Event, object> & Record<Exclude<keyof Data, Event>, never>,
> = Data;

/** The type of `data` for each event of a token. */
export type TokenData = ForEach<TokenEvent, {
  trade: Trade;
  liquidity: Liquidity;
  metadata: Metadata;
  social: Social;
  comment: Comment;
  favorites: Favorites;
  creation: Creation;
  analytics: Analytics;
  balances: Balances;
  update: TokenUpdate;
}>;

/** The type of `data` for each global event. */
export type GlobalData = ForEach<GlobalEvent, {
  trending: TrendingToken[];
  new_listing: NewListing;
}>;

/** What every event has. */
export interface EventBase {
  /**
   * The event's own id, unique on its channel (a trade's id, a row's version). Publishing an event again with the same id
   * stores it once, as long as the stream remembers it (30 s with the default settings).
   */
  id: string;
  /** Replaces the kind's type (`price:update` for a trade) in the envelope; header `Odin-Type`. */
  type?: string;
  /** Replaces the kind's priority (high for a trade); header `Odin-Priority`. */
  priority?: Priority;
}

/** An event of one token, told apart by `event`. */
export type TokenEventInput = {
  [Event in TokenEvent]: EventBase & { event: Event; symbol: string; data: TokenData[Event] };
}[TokenEvent];

/** An event of the whole market, told apart by `event`. */
export type GlobalEventInput = {
  [Event in GlobalEvent]: EventBase & { event: Event; data: GlobalData[Event] };
}[GlobalEvent];

/** An event that the protocol does not name: `odin.token.{SYMBOL}.{EVENT}` or `odin.global.{EVENT}`, with any JSON. */
export interface CustomEventInput extends EventBase {
  subject: string;
  data: unknown;
}

/** What `publish()` takes. */
export type EventInput = TokenEventInput | GlobalEventInput | CustomEventInput;
