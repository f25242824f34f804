/** The tokens of the simulated market: their names, and a price that changes at random. */

import type { Random } from "./random.ts";

/** Symbol, name, price in US dollars, supply. */
const MAJORS: readonly [symbol: string, name: string, price: number, supply: number][] = [
  ["BTC", "Bitcoin", 64_000, 19_800_000],
  ["ETH", "Ethereum", 3_200, 120_000_000],
  ["SOL", "Solana", 150, 465_000_000],
  ["BNB", "BNB", 580, 147_000_000],
  ["XRP", "XRP", 0.55, 55_000_000_000],
  ["ADA", "Cardano", 0.42, 35_000_000_000],
  ["DOGE", "Dogecoin", 0.14, 145_000_000_000],
  ["AVAX", "Avalanche", 28, 395_000_000],
  ["LINK", "Chainlink", 14, 587_000_000],
  ["DOT", "Polkadot", 6.2, 1_400_000_000],
  ["SHIB", "Shiba Inu", 0.000019, 589_000_000_000_000],
  ["PEPE", "Pepe", 0.0000098, 420_000_000_000_000],
  ["WIF", "dogwifhat", 2.1, 998_000_000],
  ["BONK", "Bonk", 0.000022, 69_000_000_000_000],
  ["FLOKI", "Floki", 0.00015, 9_600_000_000_000],
  ["JUP", "Jupiter", 0.85, 1_350_000_000],
];
export const MAJOR_COUNT = MAJORS.length;
const FIRST = "MOON DOGE CAT PEPE FROG SHIBA BABY ROCKET WOJAK CHAD GIGA PONKE MOG TURBO SNEK HAMSTER".split(
  " ",
);
const SECOND = "WIF INU COIN AI X CASH SWAP PUMP ELON HAT KING LAMBO FI BONK MOON DAO".split(" ");

/** The nth name of a token, from 0: first the majors, then names of memecoins. No two names are equal. */
export function tokenName(n: number): { symbol: string; name: string } {
  const major = MAJORS[n];
  if (major !== undefined) return { symbol: major[0], name: major[1] };
  const index = n - MAJORS.length;
  const round = Math.floor(index / (FIRST.length * SECOND.length));
  // Names that follow each other differ in both words. A round has every pair of a first and a second word
  // once.
  const first = FIRST[index % FIRST.length] ?? "";
  const second = SECOND[(index + Math.floor(index / FIRST.length)) % SECOND.length] ?? "";
  const title = `${first.charAt(0)}${first.slice(1).toLowerCase()} ${second.charAt(0)}${second.slice(1).toLowerCase()}`;
  return { symbol: `${first}${second}${round || ""}`, name: round === 0 ? title : `${title} ${round}` };
}

const DAY_MS = 86_400_000; // 24 h
// Largest absolute logarithm of price over base price: a factor of about 7 up or down.
const BOUND = 2;
// Share by which a step moves that logarithm back to 0.
const PULL = 0.0005;

const clamp = (value: number, limit: number): number => Math.max(-limit, Math.min(limit, value));

/** Rounds to this many significant digits, so that both $64,012.34 and $0.0000098123 look like prices. */
export const round = (value: number, digits = 8): number => Number(value.toPrecision(digits));

export class Token {
  readonly symbol: string;
  readonly name: string;
  /** Addresses of the token and of its pool: 44 characters of base 58, as on Solana. */
  readonly address: string;
  readonly pool: string;
  readonly supply: number;
  readonly #base: number;
  // Standard deviation of one step, as a share of the price.
  readonly #volatility: number;
  // Logarithms of price over base price: now, and approximately 24 h ago.
  #log = 0;
  #logBefore: number;
  #updatedAt: number | undefined;
  /** US dollars traded in the last 24 h, approximately. */
  volume24h: number;
  trades24h: number;
  liquidity: number;
  holders: number;
  favorites: number;
  followers: number;

  constructor(n: number, random: Random, address: () => string) {
    const { symbol, name } = tokenName(n);
    const major = MAJORS[n];
    this.symbol = symbol;
    this.name = name;
    this.address = address();
    this.pool = address();
    this.supply = major?.[3] ?? 10 ** (8 + random.below(3));
    this.#base = major?.[2] ?? 10 ** (-5 + 4 * random.next());
    this.#volatility = major === undefined ? 0.004 + 0.01 * random.next() : 0.001;
    this.#logBefore = clamp(0.15 * random.normal(), BOUND);
    // Limited, so that later tokens do not become smaller without end.
    const size = (major === undefined ? 2e6 : 4e8) / (1 + Math.min(n, 200) / 8);
    this.volume24h = round(size * (0.5 + random.next()), 6);
    this.trades24h = Math.ceil(this.volume24h / 900);
    this.liquidity = round(size * (0.2 + random.next() / 5), 6);
    this.holders = 100 + random.below(Math.ceil(size / 500));
    this.favorites = random.below(1 + Math.ceil(this.holders / 20));
    this.followers = random.below(1 + this.holders * 2);
  }

  get price(): number {
    return round(this.#base * Math.exp(this.#log));
  }
  /** In percent. */
  get change24h(): number {
    return Number((100 * Math.expm1(this.#log - this.#logBefore)).toFixed(2));
  }
  get marketCap(): number {
    return Math.round(this.price * this.supply);
  }

  /** Lets time pass: events that are older than 24 h leave the figures of the day gradually. */
  #age(now: number): void {
    const part = Math.min(1, Math.max(0, now - (this.#updatedAt ?? now)) / DAY_MS);
    this.#updatedAt = now;
    this.#logBefore += (this.#log - this.#logBefore) * part;
    this.volume24h *= 1 - part;
    this.trades24h *= 1 - part;
  }

  /**
   * Changes the price by one step. The logarithm of the step is normally distributed, so the price never
   * reaches 0.
   */
  step(random: Random, now: number): void {
    this.#age(now);
    this.#log = clamp(this.#log * (1 - PULL) + this.#volatility * random.normal(), BOUND);
  }

  /** Counts a trade of `value` US dollars. */
  traded(value: number): void {
    this.volume24h += value;
    this.trades24h += 1;
  }
}
