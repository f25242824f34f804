/**
 * What each listener must have received. The model knows what was stored in the stream, and reads the journal
 * of a listener: messages, and reports of losses.
 */

/** A message that the stream has stored. */
export interface Stored {
  /** Number of the message, which its body carries; the messages of one channel are stored in this order. */
  n: number;
  channel: string;
  offset: number;
  /** Time at which the publisher was called, and time of the acknowledgement, ms. */
  publishedAt: number;
  storedAt: number;
}

/** One thing that happened to a listener, in order. */
export type Entry =
  | { kind: "message"; at: number; n: number; channel: string; offset: number; late: boolean }
  | { kind: "refetch"; at: number; channels: readonly string[]; reason: string };

export interface Journal {
  /** For violations: which client and listener this is. */
  who: string;
  channels: readonly string[];
  /** Time at which all channels were live; undefined: never. */
  liveAt: number | undefined;
  /** Time at which the listener was removed; undefined: it listens until the end. */
  leftAt: number | undefined;
  entries: readonly Entry[];
}

/** Time at which messages may have been lost. */
export type Losses = readonly number[];

export interface Violation {
  who: string;
  /** Time of the message or report that is wrong, ms. */
  at: number;
  what: string;
}

/** A loss of the stream is reported within this time, ms: a client notices a dead connection after 20 s. */
const LOSS_WINDOW_MS = 60_000;

export class Model {
  readonly #stored = new Map<number, Stored>();
  readonly #byChannel = new Map<string, Stored[]>();
  readonly #losses: Losses;

  /** @param losses times at which a fault took messages from the stream */
  constructor(stored: readonly Stored[], losses: Losses) {
    this.#losses = losses;
    for (const one of stored.toSorted((a, b) => a.n - b.n)) {
      this.#stored.set(one.n, one);
      const channel = this.#byChannel.get(one.channel) ?? [];
      channel.push(one);
      this.#byChannel.set(one.channel, channel);
    }
  }

  /** Everything that is wrong with the journal of one listener. */
  check(journal: Journal): Violation[] {
    const found: Violation[] = [];
    const report = (at: number, what: string) => found.push({ who: journal.who, at, what });
    const seen = new Set<number>();
    /** Index of each channel's live messages in the journal. */
    const live = new Map<string, { n: number; index: number }[]>();
    for (const [index, entry] of journal.entries.entries()) {
      if (entry.kind === "refetch") {
        const { at, reason } = entry;
        const caused = this.#losses.some((loss) => loss <= at && at - loss < LOSS_WINDOW_MS);
        if (!caused) report(at, `refetch (${reason}), although no message was lost`);
        continue;
      }
      const { n, at, channel, offset, late } = entry;
      const stored = this.#stored.get(n);
      // A message whose acknowledgement was lost for good is not in the list of stored messages.
      if (stored !== undefined && (stored.channel !== channel || stored.offset !== offset)) {
        report(at, `message ${n} came as ${channel} ${offset}, but is ${stored.channel} ${stored.offset}`);
      }
      if (!journal.channels.includes(channel)) report(at, `message ${n} of ${channel} was not subscribed`);
      if (seen.has(n)) report(at, `message ${n} of ${channel} came twice`);
      seen.add(n);
      if (late) continue;
      const before = live.get(channel) ?? [];
      const last = before.at(-1)?.n ?? -1;
      if (n < last) report(at, `message ${n} of ${channel} came behind message ${last}`);
      before.push({ n, index });
      live.set(channel, before);
    }
    if (journal.liveAt === undefined) {
      if (journal.leftAt === undefined) report(0, `${journal.channels} never became live`);
      return found;
    }
    for (const channel of journal.channels)
      this.#checkLosses(journal, channel, seen, live.get(channel), report);
    return found;
  }

  #checkLosses(
    { liveAt = 0, leftAt = Infinity, entries }: Journal,
    channel: string,
    seen: ReadonlySet<number>,
    live: readonly { n: number; index: number }[] = [],
    report: (at: number, what: string) => void,
  ): void {
    let next = 0;
    for (const { n, publishedAt, storedAt } of this.#byChannel.get(channel) ?? []) {
      if (publishedAt <= liveAt || seen.has(n)) continue;
      while (next < live.length && (live[next]?.n ?? 0) < n) next++;
      const behind = live[next]?.index;
      // What is stored shortly before a listener leaves may still be on its way.
      if (behind === undefined && storedAt >= leftAt - IN_FLIGHT_MS) continue;
      const reported = entries
        .slice(0, behind)
        .some(
          (entry) => entry.kind === "refetch" && entry.at >= publishedAt && entry.channels.includes(channel),
        );
      if (reported) continue;
      const late = entries.some(
        (entry) => entry.kind === "refetch" && entry.at >= publishedAt && entry.channels.includes(channel),
      );
      const why = late ? "and the loss was reported behind the next message" : "and nothing was reported";
      report(storedAt, `message ${n} of ${channel} is missing, ${why}`);
    }
  }
}

/** A client without a connection gets a message within this time, ms. */
const IN_FLIGHT_MS = 30_000;
