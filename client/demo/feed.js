// @ts-check
/** The list of events, newest first. It is written four times a second, however many come. */

import { describe } from "./describe.js";
import * as format from "./format.js";
import { asData, textOf } from "./market.js";
import { turn } from "./table.js";

/**
 * @import { Envelope } from "@odin-ws/protocol"
 *
 * @typedef {"all" | "trade" | "liquidity" | "other" | "token"} Filter
 */

/** Envelopes that are kept for a change of filter. */
const KEPT = 1_000;
const SHOWN = 120;
/** Lines that are added at once; more are only counted. */
const AT_ONCE = 24;
const EVERY = 250; // ms

export class Feed {
  paused = false;
  #list;
  #empty;
  /** @type {Envelope[]} newest last */ #kept = [];
  /** @type {Envelope[]} */ #fresh = [];
  #skipped = 0;
  #newest = 0;
  #disordered = false;
  /** @type {Filter} */ #filter = "all";
  /** @type {string | undefined} */ #symbol;

  /** @param {HTMLElement} list @param {HTMLElement} empty */
  constructor(list, empty) {
    this.#list = list;
    this.#empty = empty;
    setInterval(() => this.#write(), EVERY);
  }

  /** @param {Envelope} envelope */
  add(envelope) {
    if (envelope.offset < this.#newest) this.#disordered = true;
    else this.#newest = envelope.offset;
    this.#kept.push(envelope);
    if (this.#kept.length > 2 * KEPT) this.#kept = this.#kept.slice(-KEPT);
    if (!this.#matches(envelope)) return;
    this.#fresh.push(envelope);
    if (this.#fresh.length > 2 * SHOWN) {
      this.#skipped += this.#fresh.length - SHOWN;
      this.#fresh = this.#fresh.slice(-SHOWN);
    }
  }

  /** @param {Filter} filter @param {string} [symbol] for the filter "token" */
  show(filter, symbol) {
    this.#filter = filter;
    this.#symbol = symbol;
    this.#list.replaceChildren();
    this.#fresh = [];
    this.#skipped = 0;
    // What was looked back for came late.
    if (this.#disordered) this.#kept.sort((a, b) => a.offset - b.offset);
    this.#disordered = false;
    const lines = this.#kept.filter((envelope) => this.#matches(envelope)).slice(-SHOWN);
    this.#list.prepend(...lines.reverse().map(lineOf));
    this.#empty.hidden = lines.length > 0;
  }

  /** Another stream has begun: its offsets say nothing about those before. */
  restart() {
    this.#kept = [];
    this.#newest = 0;
  }

  /** @param {Envelope} envelope */
  #matches({ channel }) {
    const dot = channel.indexOf(".");
    if (this.#filter === "all") return true;
    if (this.#filter === "token") return channel.slice(0, dot) === this.#symbol;
    return kindOf(channel) === this.#filter;
  }

  #write() {
    if (this.paused || document.hidden || this.#fresh.length === 0) return;
    if (this.#disordered) return this.show(this.#filter, this.#symbol);
    const lines = this.#fresh.slice(-AT_ONCE).reverse().map(lineOf);
    const skipped = this.#skipped + Math.max(0, this.#fresh.length - AT_ONCE);
    if (skipped > 0) lines.push(moreLine(skipped));
    this.#fresh = [];
    this.#skipped = 0;
    this.#list.prepend(...lines);
    while (this.#list.childElementCount > SHOWN) this.#list.lastElementChild?.remove();
    this.#empty.hidden = true;
  }
}

/** @param {string} channel */
function kindOf(channel) {
  const event = channel.slice(channel.indexOf(".") + 1);
  return event === "trade" || event === "liquidity" ? event : "other";
}

/** @param {Envelope} envelope */
function lineOf(envelope) {
  const { channel, ts, data } = envelope;
  const dot = channel.indexOf(".");
  const { text, direction } = describe(envelope);
  const line = document.createElement("li");
  line.dataset.kind = kindOf(channel);
  const when = document.createElement("time");
  when.textContent = format.time(ts);
  const scope = channel.slice(0, dot);
  const kind = span("kind", channel.slice(dot + 1).replace("_", " "));
  const symbol = span("symbol", scope === "global" ? (textOf(asData(data), "symbol") ?? "all") : scope);
  const what = span("what", text);
  what.title = text;
  turn(what, direction);
  line.append(when, kind, symbol, what);
  return line;
}

/** @param {number} skipped */
function moreLine(skipped) {
  const line = document.createElement("li");
  line.className = "more";
  line.textContent = `… and ${format.count(skipped)} more`;
  return line;
}

/** @param {string} className @param {string} text */
function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
