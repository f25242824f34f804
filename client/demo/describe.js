// @ts-check
/** One line of text for an event. */

import * as format from "./format.js";
import { amountOf, asData, numberOf, priceOf, sideOf, textOf, tradeValueOf } from "./market.js";

/**
 * @import { Envelope } from "@odin-ws/protocol"
 * @import { Data } from "./market.js"
 *
 * @typedef {{ text: string, direction: number }} Line `direction`: above 0 good news, below 0 bad.
 */

const dollars = (/** @type {number | undefined} */ value) =>
  value === undefined ? "" : `$${format.money(value)}`;

/** @type {Record<string, (data: Data) => Line>} */
const LINES = {
  trade(data) {
    const side = sideOf(data);
    const direction = side === "buy" ? 1 : side === "sell" ? -1 : 0;
    const parts = [side, dollars(tradeValueOf(data)), "@", format.price(priceOf(data))];
    const amount = format.amount(amountOf(data));
    return { text: `${parts.filter(Boolean).join(" ")} · ${amount}`, direction };
  },
  liquidity(data) {
    const delta = numberOf(data, "delta", "change");
    const total = numberOf(data, "liquidity", "liquidityUsd");
    const parts = [
      delta === undefined ? "" : `${delta < 0 ? "−" : "+"}${dollars(Math.abs(delta))}`,
      total === undefined ? "" : `pool ${dollars(total)}`,
    ];
    const text = parts.filter(Boolean).join(" · ");
    return { text, direction: Math.sign(delta ?? 0) };
  },
  comment: (data) => flat(`“${textOf(data, "text", "comment") ?? ""}” ${abbreviate(textOf(data, "author"))}`),
  social(data) {
    const network = textOf(data, "network") ?? "social";
    const followers = numberOf(data, "followers");
    return flat(`${network}: ${format.short(followers)} followers`);
  },
  favorites: (data) => flat(`${format.count(numberOf(data, "favorites"))} favorites`),
  metadata: (data) => flat([textOf(data, "name"), textOf(data, "description")].filter(Boolean).join(" · ")),
  creation: (data) => flat(`created: ${textOf(data, "name") ?? ""} @ ${format.price(priceOf(data))}`),
  analytics(data) {
    const trades = numberOf(data, "trades");
    return flat(
      `${textOf(data, "window") ?? ""} ${format.count(trades)} trades · ${dollars(numberOf(data, "windowVolume"))}`.trim(),
    );
  },
  balances(data) {
    const delta = numberOf(data, "delta");
    const text = `${abbreviate(textOf(data, "wallet"))} ${delta !== undefined && delta < 0 ? "−" : "+"}${format.amount(Math.abs(delta ?? 0))}`;
    return { text, direction: Math.sign(delta ?? 0) };
  },
  update(data) {
    const change = numberOf(data, "change24h", "change_24h");
    const cap = numberOf(data, "marketCap", "market_cap");
    return {
      text: `${format.price(priceOf(data))} · ${format.percent(change)} · cap ${dollars(cap)}`,
      direction: Math.sign(change ?? 0),
    };
  },
  new_listing: (data) => flat(`listed: ${textOf(data, "name") ?? ""} @ ${format.price(priceOf(data))}`),
  trending(data) {
    const list = Object.values(data);
    const leaders = list.slice(0, 3).map((item) => textOf(asData(item), "symbol") ?? "?");
    return flat(`top ${list.length}: ${leaders.join(", ")}, …`);
  },
};

/** Wallets are long. @param {string} [name] */
const abbreviate = (name = "") => (name.length > 16 ? `${name.slice(0, 4)}…${name.slice(-4)}` : name);

/** @param {string} text @returns {Line} */
const flat = (text) => ({ text, direction: 0 });

/** @param {Envelope} envelope @returns {Line} */
export function describe({ channel, data }) {
  const event = channel.slice(channel.indexOf(".") + 1);
  const line = LINES[event]?.(asData(data));
  return line === undefined || line.text === "" ? flat(JSON.stringify(data).slice(0, 160)) : line;
}
