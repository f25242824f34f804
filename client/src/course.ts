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
const NOTHING = Infinity;

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
  readonly #generation: number | undefined;

  // What outlives a connection.
  #epoch: string | undefined;
  /** Everything up to here was passed on or given up, but for what `#owed` says. */
  #top = 0;
  /** Everything up to here was: above it, something was left out on purpose or is still on its way. Infinite when nothing is. */
  #owed = NOTHING;
  /** What was lost up to here was told: whoever fetched the present state then has it all. */
  #told = 0;
  /** Something is gone for good. Told with the next answer that settles, because that says up to where. */
  #lost = false;
  #seen = new Seen();
  /** Offset of each channel's newest message. */
  #newest = new Map<string, number>();

  // What belongs to one connection.
  #next = 1;
  #highest = 0;
  #held = new Map<number, Envelope>();
  /** Last seq of the replay that is awaited. */
  #replaying: number | undefined;
  /** The seq up to which the answer to `refill` closes gaps; undefined when none is awaited. */
  #filling: number | undefined;
  /** Counts what was asked for `since` something on this connection; the resume is number 0. */
  #round = 0;
  #again = false;
  /** The answer to the resume is not complete. */
  #resuming = false;
  /** Highest offset that this connection told of. */
  #reached = 0;
  #level = 0;
  /** The gateway has said that it left something out. */
  #leftOut = false;

  /** `generation`: see Seen. */
  constructor(effects: Effects, maxHeld: number = MAX_HELD, generation?: number) {
    this.#effects = effects;
    this.#maxHeld = maxHeld;
    this.#generation = generation;
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
    const known = this.#epoch === epoch;
    const since = live && known ? { epoch, offset: this.#complete } : undefined;
    this.#forget(0);
    this.#next = 1;
    this.#highest = this.#round = 0;
    this.#reached = offset;
    this.#held = new Map();
    this.#owed = since?.offset ?? NOTHING;
    this.#resuming = !!since;
    if (!known) {
      this.#begin(epoch, offset);
      if (live) this.#effects.refetch("epoch");
    } else if (!live) {
      this.#top = Math.max(this.#top, offset);
      this.#lost = false;
    }
    return since;
  }

  envelope(envelope: Envelope): void {
    const { seq, offset } = envelope;
    this.#reached = Math.max(this.#reached, offset);
    if (seq < this.#next) return this.#pass(envelope); // Seldom, and most often known: then it goes no further.
    this.#highest = Math.max(this.#highest, seq);
    this.#held.set(seq, envelope);
    this.#drain();
    if (this.#held.size > this.#maxHeld) this.#effects.restart("gap too long");
  }

  replayEnd({ to_seq }: ReplayEnd): void {
    if (this.#replaying !== to_seq) return;
    this.#replaying = undefined;
    if (this.#next <= to_seq) this.#refill();
    else this.#drain();
  }

  /** A replay that is still awaited was not read: asks for it once more. */
  again(): void {
    if (this.#replaying) this.#ask(this.#replaying);
  }

  throttled({ level, dropped, since }: ThrottleUpdate): void {
    if (since.epoch !== this.#epoch) {
      // What waits behind a gap is of the old stream, and what would fill it is gone.
      this.#passHeld();
      this.#forget(level);
      this.#owed = level > 0 ? since.offset : NOTHING;
      this.#begin(since.epoch, since.offset);
      return this.#effects.refetch("epoch");
    }
    this.#level = level;
    if (dropped > 0) this.#leftOut = true;
    if (level > 0 || dropped > 0) this.#owed = Math.min(this.#owed, since.offset);
    if (level > 0) return;
    if (this.#leftOut) this.#refill();
    else if (!this.#resuming) this.#owed = NOTHING;
  }

  /** The last acknowledgement of what `refill` or a resume asked for has come. */
  refilled(recovered: boolean, round: number): void {
    if (!recovered && round === this.#round) this.#lost = true;
  }

  /** `round`: the heartbeat was sent behind this refill or resume, so that all of its envelopes came before this. */
  heartbeat(ack: HeartbeatAck, round?: number): void {
    const settles = round === this.#round;
    if (settles && this.#lost) {
      this.#lost = false;
      this.#told = Math.max(this.#reached, ack.offset);
      this.#effects.refetch("history");
    }
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
    if (settles) this.#resuming = false;
    this.#highest = Math.max(this.#highest, ack.seq);
    if (this.#replaying) return;
    if (this.#next <= ack.seq) this.#ask(ack.seq);
    else if (!this.#resuming) this.#stand(ack.offset);
  }

  /** Everything was seen that the gateway has sent, and it has given everything up to this offset. */
  #stand(offset: number): void {
    if (this.#level === 0 && !this.#leftOut) {
      // Below what it has sent already: something was left out there. Below what another gateway sent: it lags behind that one.
      const filling = Math.max(this.#complete, offset);
      this.#owed = offset < this.#reached ? offset : filling < this.#top ? filling : NOTHING;
    }
    this.#top = Math.max(this.#top, offset);
  }

  /** Nothing up to here is missing. A notice may name a place behind a gap that is still open. */
  get #complete(): number {
    return Math.max(this.#told, Math.min(this.#owed, this.#top));
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
    if (this.#held.size > 0 && !this.#replaying) this.#ask(Math.min(...this.#held.keys()) - 1);
  }

  #ask(to: number): void {
    this.#replaying = to;
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
    const since = { epoch: this.#epoch ?? "", offset: this.#complete };
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
    if (!this.#seen.add(offset)) return;
    this.#top = Math.max(this.#top, offset);
    if (this.#seen.forgotten > this.#complete) {
      // From there on it could not be told any more what is new: asking again would repeat messages.
      this.#owed = NOTHING;
      this.#resuming = this.#leftOut = false;
      this.#effects.refetch("overflow");
    }
    const newest = this.#newest.get(channel) ?? -1;
    if (this.#newest.size > MAX_CHANNELS) this.#newest.clear();
    this.#newest.set(channel, Math.max(newest, offset));
    this.#effects.deliver(envelope, offset < newest);
  }

  /** Lets go of what was asked for. */
  #forget(level: number): void {
    this.#replaying = this.#filling = undefined;
    this.#again = this.#resuming = this.#leftOut = false;
    this.#level = level;
  }

  #begin(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#top = this.#reached = offset;
    this.#told = 0;
    this.#lost = false;
    this.#seen = new Seen(this.#generation);
    this.#newest = new Map();
    this.#effects.begin();
  }
}
