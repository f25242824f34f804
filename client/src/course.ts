/**
 * The order of one client's messages, and where it can go on after a loss: everything that PROTOCOL.md says about `seq`, `offset`
 * and `since`. Knows no socket, no clock and no channels.
 *
 * Within a connection a gap in `seq` stops everything behind it, because what is missing may belong to any channel. It is filled by a
 * replay and, where that has it no longer, by asking for all channels `since` the last message before the gap. That answer ends with
 * the answer to a heartbeat sent behind it; only then everything that waits is sorted and passed on.
 */

import type { Envelope, HeartbeatAck, Position, ReplayEnd, ThrottleUpdate } from "@odin-ws/protocol";
import { Seen } from "./seen.ts";
import type { Refetch } from "./types.ts";

/** Envelopes that may wait behind a gap; beyond, a new connection is the shorter way. */
const MAX_HELD = 10_000;
/** Channels whose last offset is remembered. */
const MAX_CHANNELS = 50_000;

export interface Effects {
  /** `late`: the channel brought a newer one before. */
  deliver(envelope: Envelope, late: boolean): void;
  /** To send: the message `replay`. */
  replay(from: number, to: number): void;
  /** To send: all live channels `since` this, then a heartbeat. The answers are given back with the same `round`. */
  refill(since: Position, round: number): void;
  /** Another stream begins: offsets count anew. */
  begin(): void;
  /** Something of the live channels is lost for good. */
  refetch(reason: Refetch["reason"]): void;
  /** This connection leads nowhere: a new one should resume. */
  restart(reason: string): void;
}

export class Course {
  readonly #effects: Effects;
  readonly #maxHeld: number;
  readonly #newSeen: () => Seen;

  // What outlives a connection.
  #epoch: string | undefined;
  /** Everything up to here was passed on or given up, but for what `#owed` says. */
  #top = 0;
  /** Everything up to here was: above it, something was left out on purpose or is still on its way. */
  #owed: number | undefined;
  #seen: Seen;
  /** Offset of each channel's newest message. */
  #newest = new Map<string, number>();

  // What belongs to one connection.
  #next = 1;
  #highest = 0;
  #held = new Map<number, Envelope>();
  #replaying: { from: number; to: number } | undefined;
  /** The seq up to which the answer to `refill` closes gaps; undefined when none is awaited. */
  #filling: number | undefined;
  /** Counts what was asked for `since` something on this connection; the resume is number 0. */
  #round = 0;
  #lost = false;
  #again = false;
  /** The answer to the resume is not complete. */
  #resuming = false;
  /** Highest offset that came on this connection. */
  #reached = 0;
  #level = 0;
  /** The gateway has said that it left something out. */
  #leftOut = false;

  constructor(
    effects: Effects,
    options: { maxHeld?: number | undefined; generation?: number | undefined } = {},
  ) {
    this.#effects = effects;
    this.#maxHeld = options.maxHeld ?? MAX_HELD;
    this.#newSeen = () => new Seen(options.generation);
    this.#seen = this.#newSeen();
  }

  /** Highest offset heard of: what a listener that begins now does not expect. */
  get top(): number {
    return this.#top;
  }

  /**
   * A connection begins. `live`: there are channels that were live on an earlier one.
   * Returns where these have to be resumed from; undefined: nowhere, they are subscribed like new ones.
   */
  welcome({ epoch, offset }: Position, live: boolean): Position | undefined {
    this.#next = 1;
    this.#highest = 0;
    this.#held = new Map();
    this.#replaying = undefined;
    this.#filling = undefined;
    this.#again = false;
    this.#round = 0;
    this.#lost = false;
    this.#reached = 0;
    this.#level = 0;
    this.#leftOut = false;
    this.#resuming = live && this.#epoch === epoch;
    if (this.#resuming) {
      this.#owed ??= this.#top;
      return { epoch, offset: this.#owed };
    }
    const replaced = this.#epoch !== epoch;
    if (replaced) this.#begin(epoch, offset);
    else this.#top = Math.max(this.#top, offset);
    this.#owed = undefined;
    if (replaced && live) this.#effects.refetch("epoch");
    return undefined;
  }

  envelope(envelope: Envelope): void {
    const { seq } = envelope;
    if (seq < this.#next) return this.#pass(envelope); // Seldom, and most often known: then it goes no further.
    this.#highest = Math.max(this.#highest, seq);
    this.#held.set(seq, envelope);
    this.#drain();
    if (this.#held.size > this.#maxHeld) this.#effects.restart("too much waits behind a gap");
  }

  replayEnd({ from_seq, to_seq }: ReplayEnd): void {
    if (this.#replaying?.from !== from_seq || this.#replaying.to !== to_seq) return;
    this.#replaying = undefined;
    if (this.#next <= to_seq) this.#refill();
    else this.#drain();
  }

  /** The replay that is awaited. */
  get replaying(): object | undefined {
    return this.#replaying;
  }

  /** Asks for the replay once more: the gateway was too busy for it. */
  askAgain(): void {
    if (this.#replaying !== undefined) this.#effects.replay(this.#replaying.from, this.#replaying.to);
  }

  throttled({ level, dropped, since }: ThrottleUpdate): void {
    if (since.epoch !== this.#epoch) {
      // What waits behind a gap is of the old stream, and what would fill it is gone.
      this.#passHeld();
      this.#replaying = undefined;
      this.#filling = undefined;
      this.#again = false;
      this.#resuming = false;
      this.#owed = undefined;
      this.#leftOut = false;
      this.#level = level;
      this.#begin(since.epoch, since.offset);
      this.#effects.refetch("epoch");
      return;
    }
    this.#level = level;
    if (dropped > 0) this.#leftOut = true;
    if (level > 0 || dropped > 0) this.#owed = Math.min(this.#owed ?? since.offset, since.offset);
    if (level > 0) return;
    if (this.#leftOut) this.#refill();
    else if (!this.#resuming) this.#owed = undefined;
  }

  /** The last acknowledgement of what `refill` or a resume asked for has come. */
  refilled(recovered: boolean, round: number): void {
    if (recovered || this.#lost || round !== this.#round) return;
    this.#lost = true; // Told once, however many rounds it takes.
    this.#effects.refetch("history");
  }

  /** `round`: the heartbeat was sent behind this refill or resume, so that all of its envelopes came before this. */
  heartbeatAck(ack: HeartbeatAck, round?: number): void {
    const settles = round === this.#round;
    if (this.#filling !== undefined) {
      if (!settles) return;
      if (this.#again || !this.#hasAll(this.#filling + 1, ack.seq)) {
        this.#filling = undefined;
        this.#highest = Math.max(this.#highest, ack.seq);
        return this.#refill();
      }
      this.#filling = undefined;
      this.#leftOut = this.#level > 0;
      this.#passHeld();
      this.#next = Math.max(this.#next, ack.seq + 1);
    }
    if (settles) {
      this.#resuming = false;
      this.#lost = false;
    }
    this.#highest = Math.max(this.#highest, ack.seq);
    if (this.#replaying === undefined && this.#next <= ack.seq) return this.#ask(ack.seq);
    if (this.#replaying === undefined && !this.#resuming) this.#stand(ack.offset);
  }

  /** Everything was seen that the gateway has sent, and it has given everything up to this offset. */
  #stand(offset: number): void {
    if (this.#level === 0 && !this.#leftOut) {
      // Below what it has sent already: something was left out there. Below what another gateway sent: it lags behind that one.
      if (offset < this.#reached) this.#owed = offset;
      else if (offset < this.#top && this.#owed !== undefined && this.#owed < this.#top) {
        this.#owed = Math.max(this.#owed, offset);
      } else this.#owed = undefined;
    }
    this.#top = Math.max(this.#top, offset);
  }

  #hasAll(from: number, to: number): boolean {
    for (let seq = from; seq <= to; seq++) if (!this.#held.has(seq)) return false;
    return true;
  }

  #drain(): void {
    if (this.#filling !== undefined) return;
    for (let envelope = this.#held.get(this.#next); envelope; envelope = this.#held.get(this.#next)) {
      this.#held.delete(this.#next++);
      this.#pass(envelope);
    }
    if (this.#held.size > 0 && this.#replaying === undefined) this.#ask(Math.min(...this.#held.keys()) - 1);
  }

  #ask(to: number): void {
    this.#replaying = { from: this.#next, to };
    this.#effects.replay(this.#next, to);
  }

  #refill(): void {
    if (this.#filling !== undefined) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#replaying = undefined;
    this.#filling = this.#highest;
    const since = { epoch: this.#epoch ?? "", offset: this.#owed ?? this.#top };
    this.#effects.refill(since, ++this.#round);
  }

  /** Passes on what waits, by offset: what filled a gap has a later seq. */
  #passHeld(): void {
    const held = [...this.#held.values()].sort((a, b) => a.offset - b.offset);
    this.#held = new Map();
    this.#next = Math.max(this.#next, this.#highest + 1);
    for (const envelope of held) this.#pass(envelope);
  }

  #pass(envelope: Envelope): void {
    const { offset, channel } = envelope;
    this.#reached = Math.max(this.#reached, offset);
    if (!this.#seen.add(offset)) return;
    this.#top = Math.max(this.#top, offset);
    if (this.#owed !== undefined && this.#seen.forgotten > this.#owed) {
      // From there on it could not be told any more what is new: asking again would repeat messages.
      this.#owed = undefined;
      this.#resuming = false;
      this.#leftOut = false;
      this.#effects.refetch("overflow");
    }
    const newest = this.#newest.get(channel) ?? -1;
    if (offset > newest) {
      if (newest < 0 && this.#newest.size >= MAX_CHANNELS) this.#newest.clear();
      this.#newest.set(channel, offset);
    }
    this.#effects.deliver(envelope, offset < newest);
  }

  #begin(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#top = offset;
    this.#reached = offset;
    this.#seen = this.#newSeen();
    this.#newest = new Map();
    this.#effects.begin();
  }
}
