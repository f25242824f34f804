/** The tokens with the most messages, as a gauge with at most ten series. */

import { GLOBAL } from "@odin-ws/protocol";
import type { Gauge, Registry } from "prom-client";
import { steadyClock } from "./clock.ts";

const SHOWN = 10;
const MINUTE_MS = 60_000;
/** Minutes that are counted together. The current minute is one of them. */
const MINUTES = 5;
/** Tokens that are counted in one minute. The memory does not grow with the tokens of the stream. */
const MAX_TOKENS = 2000;

/** Messages by token. */
type Counts = Map<string, number>;

/**
 * Counts the messages of each token over five minutes, and is a metric of prom-client. A counter with a label
 * for the token would get a series for every token that ever had a message; this gauge has ten series.
 */
export class BusiestTokens {
  readonly #name: string;
  readonly #help: string;
  /** Counts of the last minutes that had messages, the newest last. `minute`: minutes of the steady clock. */
  #minutes: { minute: number; counts: Counts }[] = [];

  constructor(registry: Registry, options: { name: string; help: string }) {
    this.#name = options.name;
    this.#help = options.help;
    registry.registerMetric(this as unknown as Gauge);
  }

  /** Read by prom-client's registry. */
  get name(): string {
    return this.#name;
  }

  /** Counts one message. Channels of the whole market belong to no token. */
  count(channel: string): void {
    const token = channel.slice(0, channel.indexOf("."));
    if (token === GLOBAL) return;
    const counts = this.#currentCounts();
    const before = counts.get(token);
    if (before !== undefined) counts.set(token, before + 1);
    else if (counts.size < MAX_TOKENS) counts.set(token, 1);
    else forgetOneOfEach(counts);
  }

  /** The busiest tokens and their messages, the busiest first. */
  get top(): [token: string, messages: number][] {
    this.#forgetOldMinutes();
    const sums: Counts = new Map();
    for (const { counts } of this.#minutes) {
      for (const [token, messages] of counts) sums.set(token, (sums.get(token) ?? 0) + messages);
    }
    return [...sums]
      .sort(([one, most], [other, more]) => more - most || (one < other ? -1 : 1))
      .slice(0, SHOWN);
  }

  /** Called by prom-client's registry for the current values. */
  get(): unknown {
    const values = this.top.map(([token, value]) => ({ labels: { token }, value }));
    return { name: this.#name, help: this.#help, type: "gauge", values, aggregator: "sum" };
  }

  reset(): void {
    this.#minutes = [];
  }

  #currentCounts(): Counts {
    const minute = currentMinute();
    const newest = this.#minutes.at(-1);
    if (newest?.minute === minute) return newest.counts;
    const counts: Counts = new Map();
    this.#minutes.push({ minute, counts });
    this.#forgetOldMinutes();
    return counts;
  }

  #forgetOldMinutes(): void {
    const first = currentMinute() - MINUTES + 1;
    while (this.#minutes[0] !== undefined && this.#minutes[0].minute < first) this.#minutes.shift();
  }
}

function currentMinute(): number {
  return Math.floor(steadyClock.now() / MINUTE_MS);
}

/**
 * Makes room for new tokens (the algorithm of Misra and Gries): every token loses one message, and tokens
 * without messages are forgotten. A token loses at most one message for every {@link MAX_TOKENS} messages of
 * the stream, so the busiest ones remain. Each pass removes as many messages as it has steps, so that the
 * cost of a message is constant on average.
 */
function forgetOneOfEach(counts: Counts): void {
  for (const [token, messages] of counts) {
    if (messages === 1) counts.delete(token);
    else counts.set(token, messages - 1);
  }
}
