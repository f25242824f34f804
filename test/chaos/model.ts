/**
 * What each listener must have received. The model knows what was stored in the stream, and reads the journal
 * of a listener: messages, and reports of losses.
 */

import { patternsOf } from "@odin-ws/protocol";

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
  // A heartbeat was answered, and the client was not throttled: then nothing was missing.
  | { kind: "settled"; at: number }
  // The gateway sends less, because the client is slow, and the client knows this.
  | { kind: "throttled"; at: number }
  | { kind: "message"; at: number; n: number; channel: string; offset: number; late: boolean }
  | { kind: "refetch"; at: number; channels: readonly string[]; reason: string };

export interface Journal {
  /** For violations: which client and listener this is. */
  who: string;
  /** Channels and patterns. */
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

/** A client that was away for longer than this must expect a loss, ms: the history of a gateway has 30 s. */
const HISTORY_MS = 28_000;
/**
 * The position of a client is older than its last answered heartbeat by at most this time, ms: messages may
 * have been missing when the heartbeat was answered.
 */
const POSITION_MS = 5_000;
/** A gateway that was cut off from NATS notices a loss of the stream within this time, ms. */
const NOTICED_MS = 10_000;
/** A client without a connection gets a message within this time, ms. */
const IN_FLIGHT_MS = 30_000;
/** A message waits in the buffers of a slow client for at most this time before throttling begins, ms. */
const THROTTLED_MS = 10_000;
/** While a run lasts, older messages than this must have come or be reported, ms. */
const SETTLED_MS = 50_000;

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

  /**
   * Everything that is wrong with the journal of one listener.
   *
   * @param now time of a check while the run lasts, ms: what may still come is not missing. Default: the run
   * is over.
   */
  check(journal: Journal, now = Infinity): Violation[] {
    const found: Violation[] = [];
    const report = (at: number, what: string) => found.push({ who: journal.who, at, what });
    const seen = new Set<number>();
    /** Index of each channel's live messages in the journal. */
    const live = new Map<string, { n: number; index: number }[]>();
    let completeAt = journal.liveAt ?? 0;
    for (const [index, entry] of journal.entries.entries()) {
      if (entry.kind === "settled") {
        completeAt = entry.at;
        continue;
      }
      if (entry.kind === "throttled") continue;
      if (entry.kind === "refetch") {
        const { at, reason } = entry;
        const from = completeAt - POSITION_MS;
        const isAged = reason === "history" && at - from > HISTORY_MS;
        if (!isAged && !this.#losses.some((loss) => loss >= from - NOTICED_MS && loss <= at))
          report(at, `refetch (${reason}), although no message was lost`);
        continue;
      }
      const { n, at, channel, offset, late } = entry;
      const stored = this.#stored.get(n);
      // A message whose acknowledgement was lost for good is not in the list of stored messages.
      if (stored !== undefined && (stored.channel !== channel || stored.offset !== offset)) {
        report(at, `message ${n} came as ${channel} ${offset}, but is ${stored.channel} ${stored.offset}`);
      }
      if (!covers(journal.channels, channel)) report(at, `message ${n} of ${channel} was not subscribed`);
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
      if (journal.leftAt === undefined && now === Infinity)
        report(0, `${journal.channels} never became live`);
      return found;
    }
    for (const channel of this.#byChannel.keys()) {
      if (covers(journal.channels, channel))
        this.#checkLosses(journal, channel, seen, live.get(channel), report, now);
    }
    return found;
  }

  #checkLosses(
    { liveAt = 0, leftAt = Infinity, entries }: Journal,
    channel: string,
    seen: ReadonlySet<number>,
    live: readonly { n: number; index: number }[] = [],
    report: (at: number, what: string) => void,
    now: number,
  ): void {
    let next = 0;
    for (const { n, publishedAt, storedAt } of this.#byChannel.get(channel) ?? []) {
      if (publishedAt <= liveAt || seen.has(n)) continue;
      while (next < live.length && (live[next]?.n ?? 0) < n) next++;
      const behind = live[next]?.index;
      // What is stored shortly before a listener leaves may still be on its way.
      if (behind === undefined && storedAt >= leftAt - IN_FLIGHT_MS) continue;
      // While the run lasts, a client may be away, or throttled, and get the message later.
      if (now < Infinity && (behind === undefined || storedAt >= now - SETTLED_MS)) continue;
      const isReport = (entry: Entry) =>
        entry.kind === "refetch" && entry.at >= publishedAt && covers(entry.channels, channel);
      if (entries.slice(0, behind).some(isReport)) continue;
      const later = entries.find(isReport);
      // The client of a throttled connection knows that messages are missing, and gets most of them later.
      const isThrottled = ({ kind, at }: Entry) =>
        kind === "throttled" && at >= publishedAt - THROTTLED_MS && at <= (later?.at ?? 0);
      if (later !== undefined && entries.some(isThrottled)) continue;
      const why =
        later === undefined ? "nothing was reported" : "the loss was reported behind the next message";
      report(storedAt, `message ${n} of ${channel} is missing, and ${why}`);
    }
  }
}

/** True when one of these channels and patterns covers the channel. */
const covers = (names: readonly string[], channel: string): boolean =>
  [channel, ...patternsOf(channel)].some((name) => names.includes(name));
