/**
 * The source that polls a backend, which serves its events over HTTP instead of publishing them to NATS.
 *
 * `GET POLL_URL?since=<ms>` must answer a JSON array of `{subject, ts, data}` with the events since that
 * time. Each request asks from 1 ms before the last received event, and events that were received before are
 * dropped. So it does not matter whether the server includes events at exactly `since`. But `ts` must be the
 * time at which the event appears in answers: an event that appears later with an earlier time is missed.
 * Offsets count from 1 and each start has a new epoch, so a client can resume only on the same gateway.
 *
 * Times of events are of the backend's clock, which the header `Date` of its answers shows. It may differ
 * from this machine's clock, and both may be set while the gateway runs.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { atMostEvery, type Log } from "../log.ts";
import { BackendClock } from "./backend-clock.ts";
import { type Entry, PollCursor, parseAnswer, quote, readEntry } from "./poll-entries.ts";
import type { Intake, Source } from "./source.ts";

/** Time for one answer. */
const TIMEOUT_MS = 5_000;
/** Size of an answer after decompression: 16 MiB. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Age of the oldest events that are requested at the start. */
const HISTORY_MS = 30_000;
/** After this many failures in a row, an answer that is too large is not an exception. */
const MAX_LARGE_ANSWERS = 3;
const MAX_BACKOFF_MS = 5_000;
const WARN_INTERVAL_MS = 60_000;
/** Events of this time before a clock was noticed to be set back are requested again. */
const SET_BACK_MARGIN_MS = 3_000;

export interface PollOptions {
  /**
   * URL to request; `since` is added to its query. Its user and password are sent as basic authentication.
   */
  url: string;
  /**
   * Time from one request to the next, ms. A slow answer delays the next request, so requests never overlap.
   */
  intervalMs: number;
  log?: Log | undefined;
  /** Time after which a request is given up, ms. */
  timeoutMs?: number;
  /** Largest answer that is accepted. */
  maxBytes?: number;
  /** Longest pause after a failure, ms. */
  maxBackoffMs?: number;
}

/** Polls until the signal aborts. After a failure it retries, with growing pauses of up to 5 s. */
export function pollSource(options: PollOptions): Source {
  return (intake, signal) => new Poller(options, intake, signal).run();
}

class Poller {
  readonly #options: PollOptions;
  readonly #intake: Intake;
  readonly #signal: AbortSignal;
  /** URL for log lines: without query and password, which may be secrets. */
  readonly #loggedUrl: string;
  readonly #warnOfEntry: () => void;
  readonly #cursor = new PollCursor();
  readonly #clock = new BackendClock();
  #offset = 0;
  /** True when a new epoch must begin before the next message. */
  #epochDue = true;
  #failures = 0;
  #connected = false;
  /** True once the last 30 s were read. */
  #warm = false;
  /** False after each new epoch: its history counts as warm only when this source says so. */
  #warmReported = false;
  /** Mistake in the last invalid entry. */
  #mistake = "";

  constructor(options: PollOptions, intake: Intake, signal: AbortSignal) {
    this.#options = options;
    this.#intake = intake;
    this.#signal = signal;
    const { origin, pathname } = new URL(options.url);
    this.#loggedUrl = `${origin}${pathname}`;
    this.#warnOfEntry = atMostEvery(WARN_INTERVAL_MS, (count) =>
      options.log?.warn(
        { url: this.#loggedUrl, count, mistake: this.#mistake },
        "skipped invalid entries of POLL_URL",
      ),
    );
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const started = performance.now();
      const pause = (await this.#poll()) ? this.#options.intervalMs : this.#backoff();
      const left = pause - (performance.now() - started);
      // An abort during the pause ends the loop.
      if (left > 0) await sleep(left, undefined, { signal: this.#signal }).catch(() => {});
    }
  }

  /** Sends one request and delivers the new events. Returns false when there was no valid answer. */
  async #poll(): Promise<boolean> {
    const { url, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES } = this.#options;
    const assumed = this.#clock.guess();
    if (!this.#warm) this.#cursor.skipTo(assumed.now - HISTORY_MS);
    let entries: Entry[];
    try {
      const requested = withSince(url, this.#cursor.since);
      const onDate = (date: string | null) => this.#clock.observe(date);
      entries = this.#readEntries(
        await request(requested, { signal: this.#signal, timeoutMs, maxBytes, onDate }),
      );
    } catch (error) {
      if (this.#signal.aborted) return false;
      this.#onFailure(error);
      if (error instanceof AnswerTooLarge && this.#failures >= MAX_LARGE_ANSWERS) this.#skipOlderHalf();
      return false;
    }
    this.#onAnswer();
    if (!this.#warm && !this.#clock.confirms(assumed)) {
      // The request was not about the last seconds of the backend's clock: ask again.
      this.#cursor.restartAt(this.#clock.now() - HISTORY_MS);
      return true;
    }
    const fresh = this.#cursor.takeNew(entries, this.#clock.latest());
    await this.#deliver(fresh);
    if (this.#signal.aborted) return true;
    if (!this.#warmReported) this.#intake.status({ warm: true });
    this.#warmReported = true;
    this.#warm = true;
    if (this.#clock.wasSetBack(fresh.length > 0, this.#cursor.since)) this.#onSetBack();
    return true;
  }

  #readEntries(answer: unknown[]): Entry[] {
    const entries: Entry[] = [];
    for (const [index, value] of answer.entries()) {
      const entry = readEntry(value, this.#cursor.since);
      if (typeof entry !== "string") {
        entries.push(entry);
        continue;
      }
      this.#mistake = `entry ${index}: ${entry}`;
      this.#warnOfEntry();
    }
    return entries;
  }

  async #deliver(entries: Entry[]): Promise<void> {
    let waited = false;
    for (const [index, { subject, ts, data }] of entries.entries()) {
      const wait = this.#intake.ready();
      if (wait) {
        this.#intake.status({ lag: entries.length - index });
        waited = true;
        await unlessAborted(wait, this.#signal);
      }
      if (this.#signal.aborted) return;
      this.#offset++;
      this.#intake.message({ subject, ts, offset: this.#offset, body: Buffer.from(data) });
    }
    if (waited) this.#intake.status({ lag: 0 });
  }

  #onFailure(error: unknown): void {
    this.#failures++;
    if (this.#failures > 1) return;
    this.#connected = false;
    this.#intake.status({ connected: false });
    const text = `no valid answer from POLL_URL: ${describe(error)}; retrying with growing pauses`;
    this.#options.log?.error({ url: this.#loggedUrl }, text);
  }

  /**
   * Events that do not fit into one answer would never be received. So this skips the older half of the
   * requested time, and all events that are too old for the history.
   */
  #skipOlderHalf(): void {
    const now = this.#clock.now();
    this.#cursor.skipTo(Math.max(now - HISTORY_MS, Math.ceil((this.#cursor.since + now) / 2)));
    this.#epochDue = true; // with a new epoch, clients that resume notice that messages are missing
  }

  /** Continues at the backend's new time. Events may be missing or come again, so there is a new epoch. */
  #onSetBack(): void {
    const since = this.#clock.now() - SET_BACK_MARGIN_MS;
    this.#options.log?.warn(
      { url: this.#loggedUrl, before: this.#cursor.since, since },
      "the clock of POLL_URL was set back: reading from its new time, with a new epoch",
    );
    this.#cursor.restartAt(since);
    this.#epochDue = true;
  }

  #onAnswer(): void {
    if (this.#epochDue) {
      this.#intake.begin(randomUUID(), 0);
      this.#warmReported = false;
      this.#offset = 0;
      this.#epochDue = false;
    }
    if (this.#connected) return;
    this.#options.log?.info({ url: this.#loggedUrl, failures: this.#failures }, "POLL_URL answers");
    this.#connected = true;
    this.#failures = 0;
    this.#intake.status({ connected: true, lag: 0 });
  }

  /** Returns the milliseconds from the last request to the next one. */
  #backoff(): number {
    const { intervalMs, maxBackoffMs = MAX_BACKOFF_MS } = this.#options;
    const grown = Math.min(intervalMs * 2 ** this.#failures, Math.max(maxBackoffMs, intervalMs));
    return grown * (0.75 + Math.random() / 4); // random, so that gateways do not retry in step
  }
}

function withSince(url: string, since: number): URL {
  const result = new URL(url);
  // Not with searchParams, which would also rewrite the other parameters.
  result.search += `${result.search ? "&" : "?"}since=${since}`;
  return result;
}

class AnswerTooLarge extends Error {}

interface RequestOptions {
  signal: AbortSignal;
  timeoutMs: number;
  maxBytes: number;
  /** Called with the header `Date`, before the body is read. */
  onDate: (date: string | null) => void;
}

/**
 * Requests the array from `url`. Throws when the answer is not an array, too large or too late, or the signal
 * aborts.
 */
async function request(
  url: URL,
  { signal, timeoutMs, maxBytes, onDate }: RequestOptions,
): Promise<unknown[]> {
  // AbortSignal.any would add ten listeners a second to a signal that lives as long as the process.
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener("abort", abort);
  const late = setTimeout(() => controller.abort(new Error(`not within ${timeoutMs} ms`)), timeoutMs);
  try {
    const { username, password } = url;
    url.username = url.password = ""; // fetch refuses a URL with credentials
    const headers = new Headers({ accept: "application/json" });
    if (username || password) {
      const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      headers.set("authorization", `Basic ${Buffer.from(plain).toString("base64")}`);
    }
    const response = await fetch(url, { headers, signal: controller.signal });
    onDate(response.headers.get("date"));
    if (response.status !== 200) throw new Error(`status ${response.status}, not 200`);
    const answer = parseAnswer(await textOf(response, maxBytes));
    if (!Array.isArray(answer)) throw new Error(`not an array but ${quote(answer)}`);
    return answer;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
    controller.abort(); // frees the connection when the body was not read to its end; otherwise has no effect
  }
}

async function textOf(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new AnswerTooLarge(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** Resolves with `promise` or as soon as the signal aborts. */
async function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([promise, ended]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Returns an error's message, together with the cause, into which `fetch` puts the details. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  if (!cause) return error.message;
  return `${error.message} (${cause.message || ("code" in cause && cause.code) || cause.name})`;
}
