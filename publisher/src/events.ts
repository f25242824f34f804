/**
 * Types of the events that a crypto-token backend publishes.
 *
 * Money is in US dollars, amounts in tokens, `change…` in percent, times in milliseconds since 1970. Each
 * type names the fields on which clients may rely. An event may have more fields: clients get them unchanged.
 */

import type { GlobalEvent, Priority, TokenEvent } from "@odin-ws/protocol";

/** Any additional fields. */
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
  /** Size of the deposit (> 0) or withdrawal (< 0). */
  delta: number;
}

/** Name and description of a token. Replaces earlier metadata. */
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

/** The number of users who have marked a token as a favorite. */
export interface Favorites extends MoreFields {
  symbol: string;
  favorites: number;
}

/** A token was created. */
export interface Creation extends MoreFields {
  symbol: string;
  name: string;
  creator: string;
  supply: number;
  price: number;
}

/** Totals of a token over a time window. */
export interface Analytics extends MoreFields {
  symbol: string;
  window: string;
  trades: number;
  buyers: number;
  sellers: number;
  /** Value traded within the window, US dollars. */
  windowVolume: number;
}

/** Balance of a wallet after a transfer. */
export interface Balances extends MoreFields {
  symbol: string;
  wallet: string;
  balance: number;
  delta: number;
}

/** All figures of a token. */
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

/** A token was opened for trading. */
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
export type TokenData = ForEach<
  TokenEvent,
  {
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
  }
>;

/** The type of `data` for each global event. */
export type GlobalData = ForEach<
  GlobalEvent,
  {
    trending: TrendingToken[];
    new_listing: NewListing;
  }
>;

/** Fields of every event. */
export interface EventBase {
  /**
   * An id that is unique on the event's channel, such as a trade's id or a row's version. The stream drops an
   * event whose id it remembers (30 s with the default settings), so publishing an event twice stores it
   * once.
   */
  id: string;
  /** Replaces the event's default type (`price:update` for a trade) in the envelope; header `Odin-Type`. */
  type?: string;
  /** Replaces the event's default priority (high for a trade); header `Odin-Priority`. */
  priority?: Priority;
}

/** An event of one token. `event` decides the type of `data`. */
export type TokenEventInput = {
  [Event in keyof TokenData]: EventBase & { event: Event; symbol: string; data: TokenData[Event] };
}[keyof TokenData];

/** An event of the whole market. `event` decides the type of `data`. */
export type GlobalEventInput = {
  [Event in keyof GlobalData]: EventBase & { event: Event; data: GlobalData[Event] };
}[keyof GlobalData];

/**
 * An event that the protocol does not name: `odin.token.{SYMBOL}.{EVENT}` or `odin.global.{EVENT}`, with any
 * JSON.
 */
export interface CustomEventInput extends EventBase {
  subject: string;
  data: unknown;
}

/** Any event that `publish()` accepts. */
export type EventInput = TokenEventInput | GlobalEventInput | CustomEventInput;
