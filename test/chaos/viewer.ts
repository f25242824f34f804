/** A client of the library that keeps a journal of everything that its listeners get. */

import { type Client, connect } from "@odin-ws/client";
import type { Entry, Journal } from "./model.ts";

interface OpenJournal extends Journal {
  liveAt: number | undefined;
  leftAt: number | undefined;
  entries: Entry[];
}

export class Viewer {
  readonly client: Client;
  readonly journals: OpenJournal[] = [];
  /** Errors that the client reported, for people. */
  readonly errors: string[] = [];
  readonly #name: string;
  readonly #live = new Set<string>();
  #leave = () => {};

  /** @param random numbers from 0 to 1, for the waits between two attempts to connect */
  constructor(name: string, url: string, random: () => number) {
    this.#name = name;
    this.client = connect(url, { environment: { random } });
    this.client.on("error", ({ code, message }) => this.errors.push(`${code}: ${message}`));
    this.client.on("subscribed", ({ channels }) => {
      for (const channel of channels) this.#live.add(channel);
      this.#checkLive();
    });
    this.client.on("refetch", ({ channels, reason }) => {
      const at = Date.now();
      for (const journal of this.#open()) journal.entries.push({ kind: "refetch", at, channels, reason });
    });
  }

  get current(): OpenJournal | undefined {
    return this.journals.at(-1);
  }

  /** Replaces the listener by one for these channels. */
  listen(channels: readonly string[]): void {
    const former = this.current;
    const stop = this.#leave;
    const journal: OpenJournal = {
      who: `${this.#name}, listener ${this.journals.length + 1}`,
      channels,
      liveAt: undefined,
      leftAt: undefined,
      entries: [],
    };
    this.journals.push(journal);
    this.#leave = this.client.subscribe<{ n: number }>(channels, ({ channel, offset, data }, { late }) => {
      journal.entries.push({ kind: "message", at: Date.now(), n: data.n, channel, offset, late });
    });
    // A channel that the former listener had stays live; a channel that nobody wants any more does not.
    stop();
    if (former !== undefined) former.leftAt = Date.now();
    for (const channel of this.#live) if (!channels.includes(channel)) this.#live.delete(channel);
    this.#checkLive();
  }

  #open(): OpenJournal[] {
    return this.journals.filter(({ leftAt }) => leftAt === undefined);
  }

  #checkLive(): void {
    const journal = this.current;
    if (journal === undefined || journal.liveAt !== undefined) return;
    if (journal.channels.every((channel) => this.#live.has(channel))) journal.liveAt = Date.now();
  }
}
