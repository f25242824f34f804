/** A simulated token market, for the demo and for `npm run publish`. Does not depend on NATS. */

import { GLOBAL, type GlobalEvent, subjectOf, type TokenEvent } from "@odin-ws/protocol";
import { address, figures, newListing, trendingList } from "./figures.ts";
import { Pace } from "./pace.ts";
import { Random } from "./random.ts";
import { MAJOR_COUNT, Token } from "./tokens.ts";

/** One event of the market, ready to publish. */
export interface MarketEvent {
  /** Unique, also among runs, unless two runs have the same seed and start in the same millisecond. */
  id: string;
  /** `odin.token.BTC.trade` or `odin.global.trending`. */
  subject: string;
  /** For example `trade`. */
  event: string;
  /** The body, which can be written as JSON. An array for `trending`. */
  data: object;
}

export interface MarketOptions {
  /** Tokens on the market, 1 to 100,000. Default 200. */
  tokens?: number;
  /** The same seed and the same times give the same events. Default 1. */
  seed?: number;
}

// Percent of all events. A listing follows each creation.
const MIX: readonly [TokenEvent, number][] = [
  ["trade", 62],
  ["liquidity", 10],
  ["update", 8],
  ["comment", 5],
  ["social", 4],
  ["favorites", 3],
  ["analytics", 3],
  ["balances", 2.5],
  ["metadata", 1.5],
  ["creation", 0.5],
];
const MIX_TOTAL = MIX.reduce((sum, [, share]) => sum + share, 0);
/** Share of the events that concern the newest token, which attracts attention. */
const NEWEST_SHARE = 0.05;
const TRENDING_COUNT = 100;
const WALLETS = 500;
const MAX_TOKENS = 100_000;

const isWhole = (value: number, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && value >= min && value <= max;

export class Market {
  readonly #random: Random;
  readonly #seed: number;
  readonly #tokens: Token[] = [];
  readonly #wallets: readonly string[];
  // Running sums of the weights of the tokens, to pick a token by its weight.
  readonly #weights: number[] = [];
  #tokensMade = 0;
  #events = 0;
  #toList: Token | undefined;
  #newest: Token | undefined;

  /** @throws RangeError */
  constructor({ tokens = 200, seed = 1 }: MarketOptions = {}) {
    if (!isWhole(tokens, 1, MAX_TOKENS)) {
      throw new RangeError(`tokens must be a whole number from 1 to ${MAX_TOKENS}, not ${tokens}`);
    }
    if (!isWhole(seed, 0, Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`seed must be a whole number, at least 0, not ${seed}`);
    }
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#wallets = Array.from({ length: WALLETS }, () => address(this.#random));
    let sum = 0;
    for (let n = 0; n < tokens; n++) {
      this.#tokens.push(this.#newToken());
      // A few tokens have most of the events.
      sum += 1 / (n + 1) ** 0.8;
      this.#weights.push(sum);
    }
  }

  /** Symbols on the market now, established tokens first. */
  get symbols(): string[] {
    return this.#tokens.map(({ symbol }) => symbol);
  }

  /** The next event. `now` is in milliseconds since 1970. */
  next(now: number): MarketEvent {
    const listed = this.#toList;
    if (listed !== undefined) {
      this.#toList = undefined;
      return this.#global("new_listing", now, newListing(listed, now));
    }
    const event = this.#pickEvent();
    const token = event === "creation" ? this.#create() : this.#pickToken();
    const id = this.#newId(now);
    const scene = { token, random: this.#random, wallets: this.#wallets, id, now };
    return { id, subject: subjectOf(`${token.symbol}.${event}`), event, data: figures[event](scene) };
  }

  /** The 100 tokens with the largest volume, as `global.trending`. */
  trending(now: number): MarketEvent {
    return this.#global("trending", now, trendingList(this.#tokens, TRENDING_COUNT));
  }

  #global(event: GlobalEvent, now: number, data: object): MarketEvent {
    return { id: this.#newId(now), subject: subjectOf(`${GLOBAL}.${event}`), event, data };
  }

  // The time makes the id different in another run with the same seed: the stream would drop an id that it
  // has stored.
  #newId(now: number): string {
    return `${now.toString(36)}-${this.#seed.toString(36)}-${(++this.#events).toString(36)}`;
  }

  #newToken(): Token {
    return new Token(this.#tokensMade++, this.#random, () => address(this.#random));
  }

  #pickEvent(): TokenEvent {
    let point = this.#random.next() * MIX_TOTAL;
    for (const [event, share] of MIX) {
      point -= share;
      if (point < 0) return event;
    }
    return "trade";
  }

  #pickToken(): Token {
    if (this.#newest !== undefined && this.#random.next() < NEWEST_SHARE) return this.#newest;
    const point = this.#random.next() * (this.#weights.at(-1) ?? 0);
    let from = 0;
    let to = this.#weights.length - 1;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#weights[middle] ?? 0) <= point) from = middle + 1;
      else to = middle;
    }
    return this.#tokens[from] ?? this.#random.pick(this.#tokens);
  }

  // A new token replaces the token with the smallest volume, so that the market keeps its size. The first
  // half of the market and the majors are never replaced: a market that has no other tokens only announces
  // new tokens.
  #create(): Token {
    const token = this.#newToken();
    const established = Math.max(Math.ceil(this.#tokens.length / 2), MAJOR_COUNT);
    let place = established;
    for (let n = established; n < this.#tokens.length; n++) {
      if ((this.#tokens[n]?.volume24h ?? 0) < (this.#tokens[place]?.volume24h ?? 0)) place = n;
    }
    if (place < this.#tokens.length) this.#tokens[place] = token;
    this.#toList = token;
    this.#newest = token;
    return token;
  }
}

export interface StartMarketOptions extends MarketOptions {
  /** Events per second, not counting the trending list, up to 100,000. 0: paused, no event is emitted. */
  rate: number;
  /** Seconds between two trending lists. The first list is emitted at once. Default 5. */
  trendingSeconds?: number;
  /** Called with the number of skipped events after the process was blocked for more than a second. */
  onSkip?: (events: number) => void;
}

export interface RunningMarket {
  /**
   * Changes the rate from now on. 0 pauses all events, also the trending list.
   *
   * @throws RangeError
   */
  setRate(rate: number): void;
  stop(): void;
}

export const MAX_RATE = 100_000;
// Above 100 events/s, several events are emitted at a time, because timers are not precise enough.
const MIN_TICK_MS = 10;

function checkRate(rate: number): void {
  if (rate >= 0 && rate <= MAX_RATE) return;
  throw new RangeError(`rate must be from 0 to ${MAX_RATE} events per second, not ${rate}`);
}

/**
 * Runs a market in real time: `rate` events per second on average, without drift. After the process was
 * blocked, missed events are emitted late, up to the events of one second. The rest is skipped and reported
 * to `onSkip`.
 *
 * @throws RangeError
 */
export function startMarket(options: StartMarketOptions, emit: (event: MarketEvent) => void): RunningMarket {
  const { rate, trendingSeconds = 5, onSkip, ...marketOptions } = options;
  checkRate(rate);
  if (!(trendingSeconds > 0)) {
    throw new RangeError(`trendingSeconds must be above 0, not ${trendingSeconds}`);
  }
  const market = new Market(marketOptions);
  const pace = new Pace({ rate, trendingSeconds }, performance.now());
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const tick = (): void => {
    const due = pace.due(performance.now());
    const now = Date.now();
    // The next tick is scheduled first: an error that `emit` throws must not stop the market, and `emit` may
    // stop the market or change its rate.
    const scheduled = setTimeout(tick, Math.max(MIN_TICK_MS, pace.next - performance.now()));
    timer = scheduled;
    if (due.skipped > 0) onSkip?.(due.skipped);
    if (due.trending && timer === scheduled && !stopped) emit(market.trending(now));
    for (let n = 0; n < due.events && timer === scheduled && !stopped; n++) emit(market.next(now));
  };
  const run = (wanted: number): void => {
    clearTimeout(timer);
    timer = wanted > 0 ? setTimeout(tick, 0) : undefined;
  };
  run(rate);
  return {
    setRate: (wanted) => {
      checkRate(wanted);
      if (stopped) return;
      pace.setRate(wanted, performance.now());
      run(wanted);
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
