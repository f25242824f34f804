// @ts-check
/** The table of trending tokens. Rows that can't be seen are not drawn until they can. */

import * as format from "./format.js";
import { drawSparkline } from "./sparkline.js";

/**
 * @import { Token } from "./market.js"
 *
 * @typedef {object} Row
 * @property {Token} token
 * @property {HTMLTableRowElement} element
 * @property {Record<"rank" | "symbol" | "name" | "price" | "change" | "volume" | "last" | "trades", HTMLElement>} cells
 * @property {HTMLCanvasElement} canvas
 * @property {boolean} visible
 * @property {boolean} stale  Its token has changed since it was drawn.
 * @property {number} drawnTrades
 * @property {number} drawnPoint
 * @property {number} glowsSince  By performance.now().
 */

/**
 * A traded price glows, then glows less, then no more. In steps, and with the drawing: an animation would paint each frame, which a
 * busy market turns into a busy processor.
 */
const BRIGHT = 200; // ms
const GLOW = 600; // ms
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Table {
  #body;
  #onSelect;
  /** @type {Map<Token, Row>} */ #rows = new Map();
  /** @type {Map<Element, Row>} */ #byElement = new Map();
  /** @type {Set<Row>} */ #stale = new Set();
  /** @type {Set<Row>} */ #glowing = new Set();
  /** @type {string | undefined} */ #selected;
  #observer;

  /**
   * @param {HTMLElement} body
   * @param {Element} scroller
   * @param {(symbol: string) => void} onSelect
   */
  constructor(body, scroller, onSelect) {
    this.#body = body;
    this.#onSelect = onSelect;
    this.#observer = new IntersectionObserver((entries) => this.#seen(entries), {
      root: scroller,
      rootMargin: "100px",
    });
    body.addEventListener("click", ({ target }) => {
      const row = target instanceof Element ? target.closest("tr") : null;
      const symbol = row && this.#byElement.get(row)?.token.symbol;
      if (symbol) this.#onSelect(symbol);
    });
  }

  /** The tokens of the table, first one first. @param {readonly Token[]} tokens */
  order(tokens) {
    const wanted = new Set(tokens);
    for (const [token, row] of this.#rows) if (!wanted.has(token)) this.#remove(row);
    for (const [i, token] of tokens.entries()) {
      const row = this.#rows.get(token) ?? this.#add(token);
      const there = this.#body.children[i];
      if (there !== row.element) this.#body.insertBefore(row.element, there ?? null);
      this.changed(token);
    }
  }

  /** @param {Token} token */
  changed(token) {
    const row = this.#rows.get(token);
    if (row === undefined) return;
    row.stale = true;
    if (row.visible) this.#stale.add(row);
  }

  /** @param {string | undefined} symbol */
  select(symbol) {
    this.#selected = symbol;
    for (const row of this.#rows.values()) this.#mark(row);
  }

  /** @returns {boolean} true when it wants to be drawn again soon, because a price still glows */
  draw() {
    for (const row of this.#stale) {
      drawRow(row);
      if (!stillness.matches) this.#glowing.add(row);
    }
    this.#stale.clear();
    const now = performance.now();
    for (const row of this.#glowing) {
      const age = now - row.glowsSince;
      if (age > GLOW) this.#glowing.delete(row);
      row.cells.price.dataset.glow = age < BRIGHT ? "bright" : age < GLOW ? "faint" : "";
    }
    return this.#glowing.size > 0;
  }

  /** Everything again: the page has another size. */
  redraw() {
    for (const row of this.#rows.values()) {
      row.drawnPoint = Number.NaN;
      this.changed(row.token);
    }
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#byElement.get(target);
      if (row === undefined) continue;
      row.visible = isIntersecting;
      if (isIntersecting && row.stale) drawRow(row);
    }
  }

  /** @param {Token} token */
  #add(token) {
    const element = document.createElement("tr");
    const cell = (/** @type {string} */ className) => {
      const td = element.insertCell();
      td.className = className;
      return td;
    };
    const rank = cell("rank");
    const holder = cell("token");
    const symbol = document.createElement("button");
    symbol.type = "button";
    symbol.className = "pick";
    const name = document.createElement("small");
    holder.append(symbol, name);
    const price = cell("number price");
    const change = cell("number");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    cell("trend").append(canvas);
    const volume = cell("number volume");
    const last = cell("number last");
    const trades = cell("number trades");
    /** @type {Row} */
    const row = {
      token,
      element,
      cells: { rank, symbol, name, price, change, volume, last, trades },
      canvas,
      visible: false,
      stale: true,
      drawnTrades: token.trades,
      drawnPoint: Number.NaN,
      glowsSince: Number.NEGATIVE_INFINITY,
    };
    this.#rows.set(token, row);
    this.#byElement.set(element, row);
    this.#observer.observe(element);
    this.#mark(row);
    return row;
  }

  /** @param {Row} row */
  #remove(row) {
    this.#observer.unobserve(row.element);
    row.element.remove();
    this.#rows.delete(row.token);
    this.#byElement.delete(row.element);
    this.#stale.delete(row);
    this.#glowing.delete(row);
  }

  /** @param {Row} row */
  #mark({ token, element, cells }) {
    const selected = token.symbol === this.#selected;
    element.classList.toggle("selected", selected);
    cells.symbol.setAttribute("aria-pressed", String(selected));
  }
}

/** @param {Row} row */
function drawRow(row) {
  const { token, cells } = row;
  row.stale = false;
  put(cells.rank, token.rank === Number.POSITIVE_INFINITY ? format.NONE : String(token.rank));
  put(cells.symbol, token.symbol);
  put(cells.name, token.name);
  put(cells.price, format.price(token.price));
  turn(cells.price, token.direction);
  put(cells.change, format.percent(token.change));
  turn(cells.change, Math.sign(token.change ?? 0));
  put(cells.volume, format.money(token.volume));
  put(cells.last, format.money(token.lastValue));
  turn(cells.last, token.lastSide === "buy" ? 1 : token.lastSide === "sell" ? -1 : 0);
  put(cells.trades, format.count(token.trades));
  const last = token.points.at(-1);
  if (row.drawnPoint !== last) {
    drawSparkline(row.canvas, token.points);
    row.drawnPoint = last ?? Number.NaN;
  }
  if (row.drawnTrades !== token.trades) row.glowsSince = performance.now();
  row.drawnTrades = token.trades;
}

/** Writes only what differs: a write costs a layout. @param {HTMLElement} element @param {string} text */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {number} direction */
export function turn(element, direction) {
  element.classList.toggle("up", direction > 0);
  element.classList.toggle("down", direction < 0);
}
