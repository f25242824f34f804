/** A client of the library that keeps a journal of everything that its listeners get. */

import { type Client, type ConnectOptions, connect } from "@odin-ws/client";
import { compact } from "@odin-ws/client/compact";
import { fallback } from "@odin-ws/client/fallback";
import type { Entry, Journal, Violation } from "../model.ts";
import { Wire } from "./wire.ts";

interface OpenJournal extends Journal {
  liveAt: number | undefined;
  leftAt: number | undefined;
  entries: Entry[];
  /** Time of the last report of a loss, ms; 0: none. */
  refetchedAt: number;
  /** Number of the newest message of each channel. */
  newest: Map<string, number>;
}

export interface ViewerOptions {
  name: string;
  url: string;
  compact: boolean;
  /** The client may receive over HTTP. */
  fallback: boolean;
  token: () => Promise<string>;
  /** Numbers from 0 to 1, for the waits between two attempts to connect. */
  random: () => number;
}

/** Time between two polls of a client that receives over HTTP, ms. */
const POLL_MS = 1000;
/** Time after which such a client first tries a WebSocket again, ms: several times in a run. */
const RETURN_MS = 5000;
/** Time after which the resume of a connection is complete, ms. */
const RESUMED_MS = 5_000;

export class Viewer {
  readonly journals: OpenJournal[] = [];
  /** Errors that the client reported, and what was wrong on the wire. */
  readonly errors: Violation[] = [];
  /** How often the client began to receive over HTTP. */
  httpConnections = 0;
  readonly #options: ViewerOptions;
  readonly #live = new Set<string>();
  #network = new EventTarget();
  #leave = () => {};
  client: Client;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.client = this.#connect();
  }

  get current(): OpenJournal | undefined {
    return this.journals.at(-1);
  }

  /** Replaces the listener by one for these channels and patterns. */
  listen(channels: readonly string[]): void {
    const former = this.current;
    const stop = this.#leave;
    const entries: Entry[] = [];
    const newest = new Map<string, number>();
    const who = `${this.#options.name}, listener ${this.journals.length + 1}`;
    this.journals.push({
      who,
      channels,
      liveAt: undefined,
      leftAt: undefined,
      refetchedAt: 0,
      entries,
      newest,
    });
    this.#leave = this.client.subscribe<{ n: number }>(channels, ({ channel, offset, data }, { late }) => {
      entries.push({ kind: "message", at: Date.now(), n: data.n, channel, offset, late });
      newest.set(channel, Math.max(data.n, newest.get(channel) ?? 0));
    });
    // A channel that the former listener had stays live; a channel that nobody wants any more does not.
    stop();
    if (former !== undefined) former.leftAt = Date.now();
    for (const channel of this.#live) if (!channels.includes(channel)) this.#live.delete(channel);
    this.#checkLive();
  }

  /** The user loads the page again: another client, with the same channels. */
  reload(): void {
    const { current } = this;
    if (current === undefined) return;
    this.client.close();
    current.leftAt = Date.now();
    this.#leave = () => {};
    this.#live.clear();
    this.#network = new EventTarget();
    this.client = this.#connect();
    this.listen(current.channels);
  }

  /** The browser reports that the network is back. */
  online(): void {
    this.#network.dispatchEvent(new Event("online"));
  }

  #connect(): Client {
    const { name, url, token, random } = this.#options;
    const wire = new Wire((what) => this.#report(what));
    const options: ConnectOptions = {
      token,
      environment: { random, window: this.#network },
      fallback: this.#options.fallback && fallback({ pollMs: POLL_MS, returnAfterMs: RETURN_MS }),
      encoding: (environment) => {
        if (this.#options.compact) compact(environment);
        wire.watch(environment);
      },
    };
    const client = connect(url, options);
    let latency: number | undefined;
    let openAt = Infinity;
    let wasOverHttp = false;
    client.on("error", ({ code, message }) => this.#report(`${code}: ${message}`));
    client.on("subscribed", ({ channels }) => {
      for (const channel of channels) this.#live.add(channel);
      this.#checkLive();
    });
    client.on("refetch", ({ channels, reason }) => {
      this.#enter({ kind: "refetch", at: Date.now(), channels, reason });
      if (this.current !== undefined) this.current.refetchedAt = Date.now();
    });
    client.on("status", ({ state, gateway, latencyMs, throttle, reason }) => {
      if (state === "closed" && reason !== "closed") this.#report(`${name} has ended: ${reason}`);
      if (throttle > 0) this.#enter({ kind: "throttled", at: Date.now() });
      const isOverHttp = state === "open" && gateway === "http";
      if (isOverHttp && !wasOverHttp) this.httpConnections++;
      wasOverHttp = isOverHttp;
      openAt = state === "open" ? Math.min(openAt, Date.now()) : Infinity;
      if (latencyMs === latency) return;
      latency = latencyMs;
      // The first heartbeats of a connection may be answered before its resume is.
      if (throttle === 0 && Date.now() > openAt + RESUMED_MS)
        this.#enter({ kind: "settled", at: Date.now() });
    });
    return client;
  }

  #report(what: string): void {
    this.errors.push({ who: this.#options.name, at: Date.now(), what });
  }

  /** Adds an entry to the journals of all listeners. */
  #enter(entry: Entry): void {
    for (const { leftAt, entries } of this.journals) if (leftAt === undefined) entries.push(entry);
  }

  #checkLive(): void {
    const journal = this.current;
    if (journal === undefined || journal.liveAt !== undefined) return;
    if (journal.channels.every((channel) => this.#live.has(channel))) journal.liveAt = Date.now();
  }
}
