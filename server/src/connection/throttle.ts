/**
 * What happens to a connection whose client reads too slowly: levels, and which messages pass at each. Knows no socket and
 * no clock.
 */

import type { ThrottleLevel } from "@odin-ws/protocol";

export type ThrottlePolicy = "priority" | "rate";

export interface ThrottleSettings {
  policy: ThrottlePolicy;
  /** Percent of messages that pass at level 0, 1, 2, 3: announced with both policies, enforced by `rate`. */
  percent: readonly [number, number, number, number];
  /** This long without a failed send: one level down. */
  recoveryMs: number;
  /** The level at which a connection that still fails is closed. 0: no throttling, only the close. */
  maxLevel: ThrottleLevel;
}

/** Failed sends in a row that raise the level. */
const FAILURES_PER_LEVEL = 3;
/** Lowest priority (index into PRIORITIES) that passes at each level of the `priority` policy. */
const LOWEST_PASSING = [0, 1, 2, 3] as const;
/**
 * `rate` policy: every message adds the share that must not pass to a debt, every dropped message pays 1. Low priority pays as soon as
 * 1 is due, higher ones only when the lower did not suffice. Critical messages never pay.
 */
const DEBT_THAT_DROPS = [1, 2, 4, Number.POSITIVE_INFINITY] as const;
const MAX_DEBT = 8;

export class Throttle {
  readonly #settings: ThrottleSettings;
  #level: ThrottleLevel = 0;
  #failures = 0;
  #calmSince: number;
  #debt = 0;

  /** `now`: milliseconds of any clock that the later calls use too. */
  constructor(settings: ThrottleSettings, now: number) {
    this.#settings = settings;
    this.#calmSince = now;
  }

  get level(): ThrottleLevel {
    return this.#level;
  }

  /** True at level 0 with no failure counted: the object can be let go of. */
  get idle(): boolean {
    return this.#level === 0 && this.#failures === 0;
  }

  get ratePercent(): number {
    return this.#settings.percent[this.#level];
  }

  /** A message could not be sent. Says what follows. */
  failed(now: number): "nothing" | "level-up" | "close" {
    this.#calmSince = now;
    if (++this.#failures < FAILURES_PER_LEVEL) return "nothing";
    this.#failures = 0;
    if (this.#level >= this.#settings.maxLevel) return "close";
    this.#level++;
    this.#debt = 0;
    return "level-up";
  }

  /** A message was sent. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** True when the level went down because nothing has failed for long enough. */
  recover(now: number): boolean {
    if (this.#level === 0 || now - this.#calmSince < this.#settings.recoveryMs) return false;
    this.#level--;
    this.#calmSince = now;
    this.#debt = 0;
    return true;
  }

  /** True when a message of this priority (index into PRIORITIES) may be sent at the present level. */
  passes(priority: number): boolean {
    if (this.#level === 0) return true;
    if (this.#settings.policy === "priority") return priority >= LOWEST_PASSING[this.#level];
    this.#debt = Math.min(MAX_DEBT, this.#debt + 1 - this.ratePercent / 100);
    // The sum of shares like 0.3 stays a hair below what it should be.
    if (this.#debt + 1e-9 < (DEBT_THAT_DROPS[priority] ?? 1)) return true;
    this.#debt--;
    return false;
  }
}

/** True for `percent` of all keys, always the same ones (FNV-1a). */
export function inRollout(key: string, percent: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 100 < percent;
}
