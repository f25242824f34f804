/** The journal of the connection panel: a few lines about the connection, newest first. */

import type { Refetch, Status } from "../../src/index.ts";
import { plural } from "./format.ts";
import type { CatchUp, Traffic } from "./line.ts";

export type Tone = "good" | "warn" | "bad" | "plain";

export interface Entry {
  readonly id: number;
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
}

export interface Journal {
  readonly entries: readonly Entry[];
  readonly traffic: Traffic;
  /** The arriving messages are too old to be called live. */
  readonly behind: boolean;
}

const MAX_ENTRIES = 30;
/** The page is behind when messages are older than this, in milliseconds. */
const BEHIND_MS = 5_000; // 5 s
/** The page is up to date again when messages are younger than this, in milliseconds. */
const LIVE_MS = 2_000; // 2 s
const LEVELS = [
  "the gateway sends everything again",
  "the gateway drops low priority",
  "the gateway drops low and medium priority",
  "the gateway sends only critical messages",
];

export class JournalKeeper {
  #journal: Journal = {
    entries: [],
    traffic: { perSecond: 0, ageMs: undefined, slow: false },
    behind: false,
  };
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #ids = 0;
  #status: Status | undefined;
  #lostAt: number | undefined;

  constructor(now: () => number = Date.now) {
    this.#now = now;
    this.note("plain", "Disconnect or read slowly, and watch the page recover");
  }

  readonly get = (): Journal => this.#journal;
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  note(tone: Tone, text: string): void {
    const entry = { id: ++this.#ids, at: this.#now(), tone, text };
    this.#set({ entries: [entry, ...this.#journal.entries].slice(0, MAX_ENTRIES) });
  }

  traffic(traffic: Traffic): void {
    this.#set({ traffic });
    const { ageMs } = traffic;
    if (ageMs === undefined) return; // no message arrived
    if (!this.#journal.behind && ageMs > BEHIND_MS) {
      this.#set({ behind: true });
      this.note("warn", "Behind: this page reads more slowly than the gateway sends");
    } else if (this.#journal.behind && ageMs < LIVE_MS) {
      this.#set({ behind: false });
      this.note("good", "Up to date again");
    }
  }

  caughtUp({ whole, messages }: CatchUp): void {
    if (!whole) this.note("bad", "Disconnected for too long: some messages are lost");
    else if (messages === 0) this.note("good", "Nothing was missed");
    else this.note("good", `Caught up on ${plural(messages, "message")}, nothing lost`);
  }

  refetch({ channels, reason }: Refetch): void {
    this.note("bad", `Messages lost on ${plural(channels.length, "channel")} (${reason})`);
  }

  status(status: Status): void {
    const before = this.#status;
    this.#status = status;
    if (status.throttle !== (before?.throttle ?? 0)) {
      this.note(
        status.throttle > 0 ? "warn" : "good",
        `Throttle level ${status.throttle}: ${LEVELS[status.throttle]}`,
      );
    }
    if (status.state === before?.state) return;
    if (status.state === "open") this.#opened(status);
    else if (before?.state === "open") this.#lost(status);
  }

  #opened({ gateway }: Status): void {
    if (this.#lostAt === undefined) return this.note("good", `Connected to ${gateway}`);
    const seconds = ((this.#now() - this.#lostAt) / 1_000).toFixed(1);
    this.#lostAt = undefined;
    this.note("good", `Back on ${gateway} after ${seconds} s`);
  }

  #lost({ state, reason }: Status): void {
    this.#lostAt = this.#now();
    if (state === "paused") this.note("plain", "Paused");
    else this.note("warn", reason === "" ? "Connection lost" : `Connection lost: ${reason}`);
  }

  #set(part: Partial<Journal>): void {
    this.#journal = { ...this.#journal, ...part };
    for (const listener of [...this.#listeners]) listener();
  }
}
