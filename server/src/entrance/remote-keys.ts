/**
 * The public keys of JWKS_URL. They are fetched again when they are old. While the key server does not
 * answer, the old keys stay in use for a day, because old keys are better than no keys.
 */

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { steadyClock } from "../clock.ts";
import { atMostEvery, type Log } from "../log.ts";

/** The keys are not available at present, so nothing is known about the token. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";
  readonly code = "keys_unavailable";

  constructor() {
    super("the keys that check tokens are not available at present: try again");
  }
}

export interface RemoteKeysOptions {
  url: string;
  /** Keys of this age are fetched again. */
  maxAgeMs: number;
  /** Keys up to this age are used while the key server does not answer. */
  maxStaleMs: number;
  log: Pick<Log, "info" | "warn">;
  /** Milliseconds of a clock that is never set back. */
  now?: () => number;
}

const FETCH_TIMEOUT_MS = 5000;
/** A token waits this long for fresh keys when there are old ones. */
const PATIENCE_MS = 1000;
/** Tokens with an unknown key cause at most one request in this time. */
const UNKNOWN_KEY_INTERVAL_MS = 30_000;
/** Pause after a failed request. */
const RETRY_MS = 1000;
const WARN_INTERVAL_MS = 60_000;

/** Header of a token, and the token. */
type Query = Parameters<JWTVerifyGetKey>;

export class RemoteKeys {
  readonly #options: RemoteKeysOptions;
  readonly #now: () => number;
  /** Warnings of a key server that fails, each at most once a minute. */
  readonly #warnings: Record<"none" | "old" | "fresh", () => void>;
  #keys: JWTVerifyGetKey | undefined;
  /** Time of the last successful request. */
  #fetchedAt = 0;
  /** Start of the last request. */
  #requestedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  /** Why the last request failed; undefined after a success. */
  #failure: string | undefined;

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? steadyClock.now;
    const warning = (consequence: string) =>
      atMostEvery(WARN_INTERVAL_MS, () => this.#report(consequence), this.#now);
    this.#warnings = {
      none: warning("no token can be checked"),
      old: warning("tokens are checked with old keys"),
      fresh: warning("tokens with a key that is not known yet are refused"),
    };
  }

  /**
   * Returns the key for a token with this header.
   *
   * @throws KeysUnavailableError when the key may exist, but is not available at present; an error of jose
   * when no key fits
   */
  readonly keyOf = async (...query: Query) => {
    await this.#freshen();
    try {
      return await this.#find(...query);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    // The key may be newer than our keys.
    if (this.#running !== undefined || this.#age >= UNKNOWN_KEY_INTERVAL_MS) await this.#request();
    if (this.#failure !== undefined) throw new KeysUnavailableError();
    return await this.#find(...query);
  };

  /** Fetches the keys before the first token needs them: a failure is in the log before a client waits. */
  prefetch(): void {
    void this.#request();
  }

  get #age(): number {
    return this.#keys === undefined ? Number.POSITIVE_INFINITY : this.#now() - this.#fetchedAt;
  }

  async #find(...query: Query) {
    if (this.#keys === undefined || this.#age > this.#options.maxStaleMs) {
      this.#warn();
      throw new KeysUnavailableError();
    }
    if (this.#age >= this.#options.maxAgeMs) this.#warn();
    return await this.#keys(...query);
  }

  /** Fetches the keys when they are old. Does not wait long when the old keys can still be used. */
  async #freshen(): Promise<void> {
    if (this.#age < this.#options.maxAgeMs) return;
    const request = this.#request();
    if (this.#age > this.#options.maxStaleMs) return await request;
    const patience = this.#requestedAt + PATIENCE_MS - this.#now();
    if (patience > 0) await Promise.race([request, elapsed(patience)]);
  }

  /** Requests the keys, but not soon after a failure. Never rejects. */
  #request(): Promise<void> {
    const retry = this.#failure === undefined || this.#now() - this.#requestedAt >= RETRY_MS;
    if (this.#running === undefined && retry) {
      this.#requestedAt = this.#now();
      this.#running = this.#fetch().finally(() => {
        this.#running = undefined;
      });
    }
    return this.#running ?? Promise.resolve();
  }

  async #fetch(): Promise<void> {
    try {
      const keys = createLocalJWKSet(await fetchKeys(this.#options.url));
      if (this.#failure !== undefined) this.#options.log.info({}, "JWKS_URL answers again");
      this.#keys = keys;
      this.#fetchedAt = this.#now();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = reasonOf(error as Error);
      this.#warn();
    }
  }

  /** Warns of what follows when the keys cannot be fetched now. */
  #warn(): void {
    const { maxAgeMs, maxStaleMs } = this.#options;
    const age = this.#age;
    this.#warnings[age > maxStaleMs ? "none" : age >= maxAgeMs ? "old" : "fresh"]();
  }

  #report(consequence: string): void {
    const reason = this.#failure ?? "no answer yet";
    const age = this.#age;
    const known = Number.isFinite(age) ? { age_seconds: Math.round(age / 1000) } : {};
    this.#options.log.warn({ reason, ...known }, `JWKS_URL gives no keys: ${consequence}`);
  }
}

async function fetchKeys(url: string): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    redirect: "manual",
    headers: { accept: "application/json, application/jwk-set+json" },
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`status ${response.status} instead of 200`);
  }
  const keySet = (await response.json()) as JSONWebKeySet;
  // A server that is misconfigured may answer with an empty set, which would refuse all users.
  if (!Array.isArray(keySet?.keys) || keySet.keys.length === 0) throw new Error("the answer has no key");
  return keySet;
}

/** Does not contain the URL, which may contain a secret. */
function reasonOf({ name, message, cause }: Error): string {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : name === "Error" ? message : name;
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
