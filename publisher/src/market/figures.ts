/** The bodies of the simulated market's events. */

import type { TokenEvent } from "@odin-ws/protocol";
import type { GlobalData, TokenData, TrendingToken } from "../events.ts";
import type { Random } from "./random.ts";
import { round, type Token } from "./tokens.ts";

const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const NETWORKS = ["x", "telegram", "discord", "reddit"];
const TEXTS = [
  "To the moon!",
  "Who is still holding?",
  "Bought the dip again, third time this week.",
  "Dev wallet just moved, careful out there.",
  "This chart looks exactly like last month's breakout.",
  "Liquidity is thin, use a limit order.",
  "gm",
  "Sold half, keeping the rest for fun.",
];

const WINDOWS_A_DAY = 288; // 24 h have 288 windows of 5 min

/** An address in the format of Solana. */
export const address = (random: Random): string => random.text(44, BASE58);

/** The data that a body is made from. */
export interface Scene {
  token: Token;
  random: Random;
  /** Addresses of the traders. */
  wallets: readonly string[];
  /** The event's id. */
  id: string;
  /** Milliseconds since 1970. */
  now: number;
}

/** Makes the body of each kind of event, and changes the token's figures to match. */
export const figures: { [Event in TokenEvent]: (scene: Scene) => TokenData[Event] } = {
  trade: ({ token, random, wallets, id, now }) => {
    token.step(random, now);
    // Many small trades, few large ones.
    const value = round(Math.exp(4.5 + 1.6 * random.normal()), 6);
    token.traded(value);
    return {
      symbol: token.symbol,
      tradeId: id,
      side: random.next() < 0.5 ? "buy" : "sell",
      price: token.price,
      amount: round(value / token.price),
      value,
      change24h: token.change24h,
      volume24h: Math.round(token.volume24h),
      marketCap: token.marketCap,
      wallet: random.pick(wallets),
      tx: random.text(64, BASE58),
      time: now,
    };
  },
  liquidity: ({ token, random, now }) => {
    const delta = Math.round(token.liquidity * 0.02 * random.normal());
    token.liquidity = Math.max(1_000, token.liquidity + delta);
    return {
      symbol: token.symbol,
      pool: token.pool,
      liquidity: Math.round(token.liquidity),
      delta,
      time: now,
    };
  },
  update: ({ token, random, now }) => {
    token.step(random, now);
    return {
      ...listing(token),
      time: now,
    };
  },
  metadata: ({ token }) => ({
    symbol: token.symbol,
    name: token.name,
    description: `${token.name} is a simulated token.`,
    address: token.address,
    supply: token.supply,
  }),
  social: ({ token, random }) => {
    token.followers += random.below(20);
    return {
      symbol: token.symbol,
      network: random.pick(NETWORKS),
      followers: token.followers,
      mentions24h: random.below(1 + Math.ceil(token.followers / 10)),
    };
  },
  comment: ({ token, random, wallets, id, now }) => ({
    symbol: token.symbol,
    commentId: id,
    author: random.pick(wallets),
    text: random.pick(TEXTS),
    time: now,
  }),
  favorites: ({ token, random }) => {
    token.favorites = Math.max(0, token.favorites + random.below(5) - 1);
    return { symbol: token.symbol, favorites: token.favorites };
  },
  analytics: ({ token, random }) => {
    const trades = 1 + Math.ceil(token.trades24h / WINDOWS_A_DAY);
    const buyers = random.below(trades + 1);
    return {
      symbol: token.symbol,
      window: "5m",
      trades,
      buyers,
      sellers: trades - buyers,
      windowVolume: Math.round(token.volume24h / WINDOWS_A_DAY),
    };
  },
  balances: ({ token, random, wallets, now }) => {
    const delta = round((500 * random.normal()) / token.price);
    token.holders = Math.max(1, token.holders + random.below(3) - 1);
    return {
      symbol: token.symbol,
      wallet: random.pick(wallets),
      balance: round(Math.abs(delta) * (1 + 10 * random.next())),
      delta,
      holders: token.holders,
      time: now,
    };
  },
  creation: ({ token, random, wallets, now }) => ({
    symbol: token.symbol,
    name: token.name,
    address: token.address,
    creator: random.pick(wallets),
    supply: token.supply,
    price: token.price,
    time: now,
  }),
};

/** The announcement that a token is open for trading. */
export const newListing = (token: Token, now: number): GlobalData["new_listing"] => ({
  symbol: token.symbol,
  name: token.name,
  address: token.address,
  price: token.price,
  supply: token.supply,
  time: now,
});

/** What both an update and the list of trending tokens show of a token. */
function listing(token: Token) {
  return {
    symbol: token.symbol,
    name: token.name,
    price: token.price,
    change24h: token.change24h,
    volume24h: Math.round(token.volume24h),
    marketCap: token.marketCap,
    liquidity: Math.round(token.liquidity),
    holders: token.holders,
  };
}

/** The `count` tokens with the largest volume, largest first. */
export function trendingList(tokens: readonly Token[], count: number): TrendingToken[] {
  const largest = tokens.toSorted((a, b) => b.volume24h - a.volume24h).slice(0, count);
  return largest.map((token, index) => ({
    rank: index + 1,
    ...listing(token),
    trades24h: Math.round(token.trades24h),
  }));
}
