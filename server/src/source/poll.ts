/**
 * The stream by polling: for a backend that serves its events over HTTP instead of publishing them to NATS.
 *
 * `GET POLL_URL?since=<ms>` answers a JSON array of `{subject, ts, data}` with what was published since then. Whether the server
 * counts an event at exactly `since` in or not does not matter here: each time it is asked from 1 ms before the last event that
 * came, and what came already is dropped. So `ts` has to be the time at which the server shows the event: what it shows later with an
 * earlier time is not asked for. Offsets count from 1 and the epoch is new with each start, so a client can resume on this gateway
 * only.
 */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { atMostEvery, type Log } from "../log.ts";
import { type Entry, Overlap, parseAnswer, quote, readEntry } from "./poll-entries.ts";
import type { Intake, Source } from "./source.ts";

const TIMEOUT = 5_000; // 5 s for one answer
const MAX_BYTES = 16 * 1024 * 1024; // 16 MiB, decompressed
const HISTORY = 30_000; // 30 s are asked for at the start
const LARGE_ANSWERS = 3; // in a row: then it is no accident
const MAX_BACKOFF = 5_000; // 5 s
const COMPLAINT_INTERVAL = 60_000; // 60 s

export interface PollOptions {
  /** Where to ask; `since` joins its query. A user and password in it are sent as basic authentication. */
  url: string;
  /** From one question to the next, ms. A slow answer delays the next question, they never overlap. */
  intervalMs: number;
  log?: Log | undefined;
  /** After which an answer is given up, ms. */
  timeoutMs?: number;
  /** A larger answer is refused. */
  maxBytes?: number;
  /** Longest pause after a failure, ms. */
  maxBackoffMs?: number;
}

/** Polls until the signal aborts. An answer that is no good is asked for again, with growing pauses of up to 5 s. */
export function pollSource(options: PollOptions): Source {
  return (intake, signal) => new Poller(options, intake, signal).run();
}

class Poller {
  readonly #options: PollOptions;
  readonly #intake: Intake;
  readonly #signal: AbortSignal;
  readonly #place: string;
  readonly #complain: () => void;
  readonly #overlap = new Overlap();
  #offset = 0;
  #epochDue = true;
  #failures = 0;
  #connected = false;
  #warm = false;
  #mistake = "";

  constructor(options: PollOptions, intake: Intake, signal: AbortSignal) {
    this.#options = options;
    this.#intake = intake;
    this.#signal = signal;
    const { origin, pathname } = new URL(options.url);
    this.#place = `${origin}${pathname}`; // the query and the password may be secrets
    this.#complain = atMostEvery(COMPLAINT_INTERVAL, (count) =>
      options.log?.warn({ url: this.#place, count, mistake: this.#mistake }, "skipped entries of POLL_URL"),
    );
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const started = performance.now();
      const pause = (await this.#poll()) ? this.#options.intervalMs : this.#backoff();
      const left = pause - (performance.now() - started);
      if (left > 0) await sleep(left, undefined, { signal: this.#signal }).catch(() => {}); // aborted: ends the loop
    }
  }

  /** Asks once and delivers what is new. False when there was no usable answer. */
  async #poll(): Promise<boolean> {
    const { url, timeoutMs = TIMEOUT, maxBytes = MAX_BYTES } = this.#options;
    if (!this.#warm) this.#overlap.skipTo(Date.now() - HISTORY);
    let entries: Entry[];
    try {
      const asked = withSince(url, this.#overlap.since);
      entries = this.#check(await ask(asked, { signal: this.#signal, timeoutMs, maxBytes }));
    } catch (error) {
      if (this.#signal.aborted) return false;
      this.#lost(error);
      if (error instanceof TooLarge && this.#failures >= LARGE_ANSWERS) this.#askForLess();
      return false;
    }
    this.#reached();
    await this.#deliver(this.#overlap.take(entries, Date.now()));
    if (!this.#warm && !this.#signal.aborted) this.#intake.status({ warm: true });
    this.#warm = true;
    return true;
  }

  #check(answer: unknown[]): Entry[] {
    const entries: Entry[] = [];
    for (const [index, value] of answer.entries()) {
      const entry = readEntry(value, this.#overlap.since);
      if (typeof entry !== "string") {
        entries.push(entry);
        continue;
      }
      this.#mistake = `entry ${index}: ${entry}`;
      this.#complain();
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

  #lost(error: unknown): void {
    this.#failures++;
    if (this.#failures > 1) return;
    this.#connected = false;
    this.#intake.status({ connected: false });
    const text = `no usable answer from POLL_URL: ${describe(error)}; asking on, less and less often`;
    this.#options.log?.error({ url: this.#place }, text);
  }

  /** What does not fit into one answer will never come: gives up the older half, and all that the history would not keep. */
  #askForLess(): void {
    const now = Date.now();
    this.#overlap.skipTo(Math.max(now - HISTORY, Math.ceil((this.#overlap.since + now) / 2)));
    this.#epochDue = true; // clients that resume are to learn that something is missing
  }

  #reached(): void {
    if (this.#epochDue) {
      this.#intake.begin(randomUUID(), 0);
      this.#offset = 0;
      this.#epochDue = false;
    }
    if (this.#connected) return;
    this.#options.log?.info({ url: this.#place, failures: this.#failures }, "POLL_URL answers");
    this.#connected = true;
    this.#failures = 0;
    this.#intake.status({ connected: true, lag: 0 });
  }

  /** Milliseconds from the last question to the next one. */
  #backoff(): number {
    const { intervalMs, maxBackoffMs = MAX_BACKOFF } = this.#options;
    const grown = Math.min(intervalMs * 2 ** this.#failures, Math.max(maxBackoffMs, intervalMs));
    return grown * (0.75 + Math.random() / 4); // gateways that lost the same server do not come back in step
  }
}

function withSince(url: string, since: number): URL {
  const asked = new URL(url);
  asked.search += `${asked.search ? "&" : "?"}since=${since}`; // not searchParams: that would rewrite the rest, too
  return asked;
}

class TooLarge extends Error {}

interface AskOptions {
  signal: AbortSignal;
  timeoutMs: number;
  maxBytes: number;
}

/** The array that `url` answers with. Throws when it answers otherwise, too much or too late, and when the signal aborts. */
async function ask(url: URL, { signal, timeoutMs, maxBytes }: AskOptions): Promise<unknown[]> {
  // Not AbortSignal.any: ten a second, on a signal that lives as long as the process.
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  signal.addEventListener("abort", abort);
  const late = setTimeout(() => controller.abort(new Error(`not within ${timeoutMs} ms`)), timeoutMs);
  try {
    const { username, password } = url;
    url.username = url.password = ""; // fetch refuses them
    const headers = new Headers({ accept: "application/json" });
    if (username || password) {
      const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      headers.set("authorization", `Basic ${Buffer.from(plain).toString("base64")}`);
    }
    const response = await fetch(url, { headers, signal: controller.signal });
    if (response.status !== 200) throw new Error(`status ${response.status}, not 200`);
    const answer = parseAnswer(await textOf(response, maxBytes));
    if (!Array.isArray(answer)) throw new Error(`not an array but ${quote(answer)}`);
    return answer;
  } finally {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
    controller.abort(); // frees the connection when the body was not read to its end; else without effect
  }
}

async function textOf(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new TooLarge(`more than ${maxBytes} bytes`);
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

/** What a person needs to know of an error; `fetch` puts that into the cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  if (!cause) return error.message;
  return `${error.message} (${cause.message || ("code" in cause && cause.code) || cause.name})`;
}
