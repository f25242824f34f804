/**
 * Throttling of a client that reads too slowly: its level, and the messages that pass at this level. Uses no
 * socket and no clock.
 */

import type { ThrottleLevel } from "@odin-ws/protocol";

/** `conflate`: every level passes everything, and the newest message of each channel waits for room. */
export type ThrottlePolicy = "priority" | "rate" | "conflate";

export interface ThrottleSettings {
  policy: ThrottlePolicy;
  /**
   * Percent of messages that pass at level 0, 1, 2, 3. Announced with all policies, but enforced only by
   * `rate`.
   */
  percent: readonly [number, number, number, number];
  /** After this time without a failed send the level falls by one. */
  recoveryMs: number;
  /** A connection that still fails at this level is closed. 0: clients are closed without throttling. */
  maxLevel: ThrottleLevel;
}

/** Failed sends in a row that raise the level. */
const FAILURES_PER_LEVEL = 3;
/**
 * A level is held for at least this time. A client that takes nothing for a second fails dozens of sends,
 * which would otherwise raise it through all levels at once, before the first level can have an effect.
 */
const HOLD_MS = 3000;
/** Lowest priority (index into PRIORITIES) that passes at each level of the `priority` policy. */
const LOWEST_PASSING = [0, 1, 2, 3] as const;
/**
 * `rate` policy: every message adds the share that must not pass to a debt, and every dropped message lowers
 * the debt by 1. A message is dropped when the debt has reached the value for its priority. Low messages are
 * dropped first; higher ones only when too few low messages arrive. Critical messages are never dropped.
 */
const DROP_AT_DEBT = [1, 2, 4, Number.POSITIVE_INFINITY] as const;
const MAX_DEBT = 8;

export class Throttle {
  readonly #settings: ThrottleSettings;
  #level: ThrottleLevel = 0;
  #failures = 0;
  /** Time of the last change of the level. */
  #levelSince = Number.NEGATIVE_INFINITY;
  #calmSince: number;
  #debt = 0;

  /** `now`: milliseconds of any clock, the same one as in later calls. */
  constructor(settings: ThrottleSettings, now: number) {
    this.#settings = settings;
    this.#calmSince = now;
  }

  get level(): ThrottleLevel {
    return this.#level;
  }

  /** True at level 0 with no failure counted: the object is no longer needed. */
  get idle(): boolean {
    return this.#level === 0 && this.#failures === 0;
  }

  get ratePercent(): number {
    return this.#settings.percent[this.#level];
  }

  /** A message could not be sent. Returns the consequence. */
  failed(now: number): "nothing" | "level-up" | "close" {
    this.#calmSince = now;
    if (++this.#failures < FAILURES_PER_LEVEL || now - this.#levelSince < HOLD_MS) return "nothing";
    this.#failures = 0;
    if (this.#level >= this.#settings.maxLevel) return "close";
    this.#level++;
    this.#levelSince = now;
    this.#debt = 0;
    return "level-up";
  }

  /** A message was sent. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Lowers the level when nothing has failed for `recoveryMs`. Returns true when the level fell. */
  recover(now: number): boolean {
    if (this.#level === 0 || now - this.#calmSince < this.#settings.recoveryMs) return false;
    this.#level--;
    this.#levelSince = now;
    this.#calmSince = now;
    this.#debt = 0;
    return true;
  }

  /** True when a message of this priority (index into PRIORITIES) may be sent at the current level. */
  passes(priority: number): boolean {
    if (this.#level === 0) return true;
    if (this.#settings.policy === "conflate") return true;
    if (this.#settings.policy === "priority") return priority >= LOWEST_PASSING[this.#level];
    this.#debt = Math.min(MAX_DEBT, this.#debt + 1 - this.ratePercent / 100);
    // The small term makes up for rounding: a sum of shares like 0.3 may stay just below a whole number.
    if (this.#debt + 1e-9 < (DROP_AT_DEBT[priority] ?? 1)) return true;
    this.#debt--;
    return false;
  }
}

/** True when the newest messages wait for a slow client. Not without levels: then a slow client is closed. */
export function conflates({ policy, maxLevel }: ThrottleSettings): boolean {
  return policy === "conflate" && maxLevel > 0;
}

/** True for `percent` of all keys, always for the same keys (FNV-1a hash). */
export function inRollout(key: string, percent: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 100 < percent;
}
