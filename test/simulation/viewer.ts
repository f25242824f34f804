/** A client of the library in the simulation, with a journal of everything that its listeners get. */

import { type Client, connect, type Environment } from "@odin-ws/client";
import { compact } from "@odin-ws/client/compact";
import { fallback } from "@odin-ws/client/fallback";
import type { Entry, Journal } from "../chaos/model.ts";
import { NO_TOKEN } from "./tokens.ts";

interface OpenJournal extends Journal {
  liveAt: number | undefined;
  leftAt: number | undefined;
  entries: Entry[];
}

/** The client tries to receive over HTTP, and no request has an answer: only the WebSocket is simulated. */
const noHttp = fallback({ fetch: () => Promise.reject(new TypeError("there is no HTTP here")) });

interface SimViewerOptions {
  open: Environment["open"];
  random: () => number;
  token: () => Promise<string>;
  isCompact: boolean;
}

export class SimViewer {
  readonly journals: OpenJournal[] = [];
  readonly errors: string[] = [];
  /** How often the client reported that it got no token. */
  tokensFailed = 0;
  readonly #client: Client;
  readonly #name: string;
  readonly #live = new Set<string>();
  #leave = () => {};

  constructor(name: string, { open, random, token, isCompact }: SimViewerOptions) {
    this.#name = name;
    const environment = {
      open,
      random,
      fetch: undefined,
      now: () => performance.now(),
      window: undefined,
      navigator: undefined,
      document: undefined,
    };
    this.#client = connect("ws://simulated/ws", {
      environment,
      token,
      fallback: noHttp,
      ...(isCompact && { encoding: compact }),
    });
    this.#client.on("error", ({ code, message }) => {
      if (message.includes(NO_TOKEN)) this.tokensFailed++;
      else this.errors.push(`${code}: ${message}`);
    });
    this.#client.on("status", ({ throttle }) => {
      if (throttle > 0) this.#enter({ kind: "throttled", at: Date.now() });
    });
    this.#client.on("subscribed", ({ channels }) => {
      for (const channel of channels) this.#live.add(channel);
      this.#checkLive();
    });
    this.#client.on("refetch", ({ channels, reason }) => {
      const entry: Entry = { kind: "refetch", at: Date.now(), channels, reason };
      this.current?.entries.push(entry);
    });
  }

  get current(): OpenJournal | undefined {
    return this.journals.at(-1);
  }

  /**
   * A client that changes its channels and back, before the gateway has got the first change, reports no
   * channel as live again.
   */
  get isOpen(): boolean {
    const isLive = this.current?.liveAt !== undefined || this.journals.length > 2;
    return this.#client.status.state === "open" && isLive;
  }

  close(): void {
    this.#client.close();
  }

  /** Replaces the listener by one for these channels. */
  listen(channels: readonly string[]): void {
    const former = this.current;
    const stop = this.#leave;
    const who = `${this.#name}, listener ${this.journals.length + 1}`;
    const journal: OpenJournal = { who, channels, liveAt: undefined, leftAt: undefined, entries: [] };
    this.#leave = this.#client.subscribe<{ n: number }>(channels, ({ channel, offset, data }, { late }) => {
      journal.entries.push({ kind: "message", at: Date.now(), n: data.n, channel, offset, late });
    });
    stop();
    if (former !== undefined) former.leftAt = Date.now();
    this.journals.push(journal);
    for (const channel of this.#live) if (!channels.includes(channel)) this.#live.delete(channel);
    this.#checkLive();
  }

  /** Adds an entry to all journals: listeners that have left may have missed messages before. */
  #enter(entry: Entry): void {
    for (const { entries } of this.journals) entries.push(entry);
  }

  #checkLive(): void {
    const journal = this.current;
    if (journal === undefined || journal.liveAt !== undefined) return;
    if (journal.channels.every((channel) => this.#live.has(channel))) journal.liveAt = Date.now();
  }
}
