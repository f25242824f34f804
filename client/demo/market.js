// @ts-check
/** What the page knows of each token. Reads publishers' data tolerantly: fields under several names, numbers also as text. */

/**
 * @import { Envelope } from "@odin-ws/protocol"
 *
 * @typedef {Record<string, unknown>} Data
 * @typedef {object} Token
 * @property {string} symbol
 * @property {string} name
 * @property {number} rank  From 1; Infinity when it is not on the trending list.
 * @property {number | undefined} price
 * @property {-1 | 0 | 1} direction  Of the last change of price.
 * @property {number | undefined} change  Percent in 24 h.
 * @property {number | undefined} volume  In 24 h.
 * @property {number | undefined} marketCap
 * @property {number | undefined} liquidity
 * @property {number | undefined} favorites
 * @property {number | undefined} lastValue  Of the last trade, dollars.
 * @property {string | undefined} lastSide  "buy" or "sell".
 * @property {number} trades  Seen by this page.
 * @property {number} offset  Of the newest message that set the price.
 * @property {number[]} points  Prices, at most one a second.
 * @property {number} pointAt
 */

/** Points of a price chart. */
const MAX_POINTS = 90;
const POINT_EVERY = 1_000; // 1 s
/** Tokens that are not trending are forgotten beyond this many. */
const MAX_TOKENS = 1_000;

/** @param {unknown} value @returns {Data} */
export const asData = (value) =>
  typeof value === "object" && value !== null ? /** @type {Data} */ (value) : {};

/** The first of these fields that holds a number. @param {Data} data @param {string[]} names */
export function numberOf(data, ...names) {
  for (const name of names) {
    const value = data[name];
    if (value === undefined || value === null || value === "") continue;
    const number = Number(value);
    if (Number.isFinite(number)) return number;
  }
  return undefined;
}

/** The first of these fields that holds text. @param {Data} data @param {string[]} names */
export function textOf(data, ...names) {
  for (const name of names) {
    const value = data[name];
    if (typeof value === "string" && value !== "") return value;
  }
  return undefined;
}

export class Market {
  /** @type {Map<string, Token>} */ #tokens = new Map();
  /** Tokens on the trending list, first one first. @type {Token[]} */ trending = [];

  /** @param {string} symbol */
  get(symbol) {
    return this.#tokens.get(symbol);
  }

  /**
   * Takes in what a message says about prices and tokens.
   *
   * @param {Envelope} envelope
   * @returns {Token | undefined} the token that it was about
   */
  apply({ channel, data, offset, ts }) {
    const [symbol = "", event = ""] = channel.split(".");
    if (channel === "global.trending") this.#trend(data, offset, ts);
    if (symbol === "global") return undefined;
    const token = this.#token(symbol);
    const fields = asData(data);
    if (event === "trade") {
      token.trades++;
      if (offset > token.offset)
        Object.assign(token, { lastValue: tradeValueOf(fields), lastSide: sideOf(fields) });
    }
    if (event === "trade" || event === "update") this.#setPrice(token, priceOf(fields), offset, ts);
    describe(token, fields);
    return token;
  }

  /** @param {unknown} data @param {number} offset @param {number} ts */
  #trend(data, offset, ts) {
    const list = Array.isArray(data) ? data : Object.values(asData(data)).find(Array.isArray);
    if (list === undefined) return;
    for (const token of this.trending) token.rank = Number.POSITIVE_INFINITY;
    this.trending = [];
    for (const item of list) {
      const fields = typeof item === "string" ? { symbol: item } : asData(item);
      const symbol = textOf(fields, "symbol", "ticker", "token", "id");
      if (symbol === undefined) continue;
      const token = this.#token(symbol);
      token.rank = this.trending.push(token);
      this.#setPrice(token, priceOf(fields), offset, ts);
      describe(token, fields);
    }
    this.#forget();
  }

  /** @param {string} symbol */
  #token(symbol) {
    let token = this.#tokens.get(symbol);
    if (token === undefined) {
      token = {
        symbol,
        name: "",
        rank: Number.POSITIVE_INFINITY,
        price: undefined,
        direction: 0,
        change: undefined,
        volume: undefined,
        marketCap: undefined,
        liquidity: undefined,
        favorites: undefined,
        lastValue: undefined,
        lastSide: undefined,
        trades: 0,
        offset: 0,
        points: [],
        pointAt: 0,
      };
      this.#tokens.set(symbol, token);
    }
    return token;
  }

  /** @param {Token} token @param {number | undefined} price @param {number} offset @param {number} ts */
  #setPrice(token, price, offset, ts) {
    // What was backfilled may be older than what is on the screen.
    if (price === undefined || offset < token.offset) return;
    token.offset = offset;
    if (token.price !== undefined && price !== token.price) token.direction = price > token.price ? 1 : -1;
    token.price = price;
    if (ts - token.pointAt < POINT_EVERY) token.points.pop();
    else token.pointAt = ts;
    token.points.push(price);
    if (token.points.length > MAX_POINTS) token.points.shift();
  }

  /** Another stream has begun: its offsets start again. */
  restart() {
    for (const token of this.#tokens.values()) Object.assign(token, { offset: 0, points: [], pointAt: 0 });
  }

  #forget() {
    if (this.#tokens.size <= MAX_TOKENS) return;
    for (const [symbol, { rank }] of this.#tokens) {
      if (rank === Number.POSITIVE_INFINITY) this.#tokens.delete(symbol);
      if (this.#tokens.size <= MAX_TOKENS / 2) return;
    }
  }
}

/** @param {Data} fields */
export const priceOf = (fields) => numberOf(fields, "price", "priceUsd", "price_usd", "last");

/** Of a trade, in dollars. @param {Data} fields */
export function tradeValueOf(fields) {
  const product = (priceOf(fields) ?? Number.NaN) * (amountOf(fields) ?? Number.NaN);
  return numberOf(fields, "value", "valueUsd", "total") ?? (Number.isNaN(product) ? undefined : product);
}

/** @param {Data} fields */
export const amountOf = (fields) => numberOf(fields, "amount", "quantity", "size", "qty");

/** "buy" or "sell". @param {Data} fields */
export const sideOf = (fields) => textOf(fields, "side", "direction")?.toLowerCase();

/** @param {Token} token @param {Data} fields */
function describe(token, fields) {
  token.name = textOf(fields, "name") ?? token.name;
  token.change =
    numberOf(fields, "change24h", "change_24h", "priceChange24h", "price_change_24h") ?? token.change;
  token.volume = numberOf(fields, "volume24h", "volume_24h") ?? token.volume;
  token.marketCap = numberOf(fields, "marketCap", "market_cap") ?? token.marketCap;
  token.liquidity = numberOf(fields, "liquidity", "liquidityUsd") ?? token.liquidity;
  token.favorites = numberOf(fields, "favorites") ?? token.favorites;
}
