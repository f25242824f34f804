/**
 * The order of one client's messages, and the position from which the client can resume. Implements the rules
 * of PROTOCOL.md about `seq`, `offset` and `since`. Knows no socket, no clock and no channels.
 *
 * A gap in `seq` stops all envelopes behind it, because the missing envelope may belong to any channel. The
 * course first requests a replay. If the gateway no longer has a missing envelope, the course requests a
 * refill: all live channels `since` the last message before the gap, and then a heartbeat. The refill ends
 * with the answer to this heartbeat. Only then are the waiting envelopes sorted by offset and delivered. The
 * resume after a reconnect works like a refill and has number 0.
 *
 * State that outlives a connection:
 *
 * | field          | meaning                                  | set by              | cleared by            |
 * | -------------- | ---------------------------------------- | ------------------- | --------------------- |
 * | #epoch         | Epoch of the stream.                     | a new stream        |                       |
 * | #top           | Everything up to this offset was         | delivery,           |                       |
 * |                | delivered or given up, unless #gapFrom   | heartbeat, a new    |                       |
 * |                | is lower.                                | stream, welcome     |                       |
 * |                |                                          | without live        |                       |
 * |                |                                          | channels            |                       |
 * | #gapFrom       | Lowest offset above which messages may   | welcome that        | heartbeat, throttling |
 * |                | be missing: the gateway has dropped      | resumes,            | at level 0, welcome,  |
 * |                | some, or the resume is running.          | throttling,         | overflow of #seen     |
 * |                | Infinity: there are no gaps.             | heartbeat           |                       |
 * | #refetchedTo   | Losses up to this offset were reported   | end of a refill     | a new stream          |
 * |                | with refetch("history").                 |                     |                       |
 * | #lossPending   | Messages are lost, but refetch was not   | answer with         | end of the refill, a  |
 * |                | called yet: the end of the refill says   | recovered: false    | new stream, welcome   |
 * |                | up to which offset they are lost.        |                     | without live channels |
 * | #seen          | Offsets that were delivered, so that no  | delivery            | a new stream          |
 * |                | message is delivered twice.              |                     |                       |
 * | #newest        | Offset of each channel's newest message. | delivery            | a new stream, more    |
 * |                |                                          |                     | than 50,000 channels  |
 *
 * State of one connection. `welcome` resets all of it. A new stream on the same connection resets the fields
 * with a star.
 *
 * | field          | meaning                                  | set by              | cleared by            |
 * | -------------- | ---------------------------------------- | ------------------- | --------------------- |
 * | #nextSeq       | The next seq to deliver.                 | delivery            |                       |
 * | #highestSeq    | Highest seq that the gateway has         | envelope, heartbeat |                       |
 * |                | assigned, as far as the client knows.    |                     |                       |
 * | #held          | Envelopes that wait behind a gap, by     | envelope            | delivery              |
 * |                | seq.                                     |                     |                       |
 * | #replayTo *    | Last seq of the requested replay.        | request of a replay | end of the replay,    |
 * |                | Undefined: no replay is running.         |                     | request of a refill   |
 * | #refillTo *    | Highest seq when the refill was          | request of a refill | end of the refill     |
 * |                | requested. Undefined: no refill is       |                     |                       |
 * |                | running.                                 |                     |                       |
 * | #refillAgain * | Another refill was requested while one   | request of a refill | the next refill       |
 * |                | was running.                             |                     |                       |
 * | #round         | Number of the last refill.               | request of a refill |                       |
 * | #resuming *    | The answer to the resume is not          | welcome that        | end of the resume,    |
 * |                | complete.                                | resumes             | overflow of #seen     |
 * | #reached *     | Highest offset that the gateway has      | welcome, envelope   |                       |
 * |                | named on this connection.                |                     |                       |
 * | #level *       | Throttle level.                          | throttling          |                       |
 * | #dropped *     | The gateway has dropped messages that no | throttling          | end of a refill at    |
 * |                | refill has fetched yet.                  |                     | level 0, overflow of  |
 * |                |                                          |                     | #seen                 |
 */

import type { Envelope, HeartbeatAck, Position, ReplayEnd, ThrottleUpdate } from "@odin-ws/protocol";
import { Seen } from "./seen.ts";
import type { Refetch } from "./types.ts";

/** Envelopes that may wait behind a gap. Beyond this, a new connection recovers sooner. */
const MAX_HELD = 10_000;
/** Channels whose newest offset is remembered. */
const MAX_CHANNELS = 50_000;
const NO_GAP = Infinity;

/** What the course asks of its owner. */
export interface Effects {
  /** Passes a message to the listeners. `late`: its channel has delivered a newer message before. */
  deliver(envelope: Envelope, late: boolean): void;
  /** Sends a `replay` request. */
  replay(from: number, to: number): void;
  /**
   * Subscribes all live channels `since` this position, then sends a heartbeat. The owner reports the answers
   * with `refilled` and `heartbeat`, with the same `round`.
   */
  refill(since: Position, round: number): void;
  /** Another stream begins: offsets start again. */
  begin(): void;
  /** Messages of the live channels are lost. */
  refetch(reason: Refetch["reason"]): void;
  /** This connection cannot recover: a new connection must resume. */
  restart(reason: string): void;
}

export class Course {
  readonly #effects: Effects;
  readonly #maxHeld: number;
  readonly #generation: number | undefined;

  // State that outlives a connection; see the table above.
  #epoch: string | undefined;
  #top = 0;
  #gapFrom = NO_GAP;
  #refetchedTo = 0;
  #lossPending = false;
  #seen = new Seen();
  #newest = new Map<string, number>();

  // State of one connection; see the table above.
  #nextSeq = 1;
  #highestSeq = 0;
  #held = new Map<number, Envelope>();
  #replayTo: number | undefined;
  #refillTo: number | undefined;
  #refillAgain = false;
  #round = 0;
  #resuming = false;
  #reached = 0;
  #level = 0;
  #dropped = false;

  /** `generation`: see Seen. */
  constructor(effects: Effects, maxHeld: number = MAX_HELD, generation?: number) {
    this.#effects = effects;
    this.#maxHeld = maxHeld;
    this.#generation = generation;
  }

  /** Highest known offset: a listener that is added now expects only messages above it. */
  get top(): number {
    return this.#top;
  }

  /**
   * Nothing up to this offset is missing. The minimum is needed because `#gapFrom` may be above an open gap
   * in `seq`.
   */
  get #completeTo(): number {
    return Math.max(this.#refetchedTo, Math.min(this.#gapFrom, this.#top));
  }

  // ——— messages of the gateway ———

  /**
   * A connection begins. `live`: some channels were live on an earlier connection.
   * Returns the position from which to resume these channels; undefined: subscribe them like new ones.
   */
  welcome({ epoch, offset }: Position, live: boolean): Position | undefined {
    const known = this.#epoch === epoch;
    const since = live && known ? { epoch, offset: this.#completeTo } : undefined;
    this.#cancelRequests(0);
    this.#nextSeq = 1;
    this.#highestSeq = this.#round = 0;
    this.#reached = offset;
    this.#held = new Map();
    this.#gapFrom = since?.offset ?? NO_GAP;
    this.#resuming = !!since;
    if (!known) {
      this.#beginStream(epoch, offset);
      if (live) this.#effects.refetch("epoch");
    } else if (!live) {
      this.#top = Math.max(this.#top, offset);
      this.#lossPending = false;
    }
    return since;
  }

  envelope(envelope: Envelope): void {
    const { seq, offset } = envelope;
    this.#reached = Math.max(this.#reached, offset);
    // An old seq: a replay that came after its gap was given up. Most often `#seen` has its offset.
    if (seq < this.#nextSeq) return this.#deliver(envelope);
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    this.#held.set(seq, envelope);
    this.#deliverInOrder();
    if (this.#held.size > this.#maxHeld) this.#effects.restart("gap too long");
  }

  replayEnd({ to_seq }: ReplayEnd): void {
    if (this.#replayTo !== to_seq) return;
    this.#replayTo = undefined;
    if (this.#nextSeq <= to_seq) this.#requestRefill();
    else this.#deliverInOrder();
  }

  throttled({ level, dropped, since }: ThrottleUpdate): void {
    if (since.epoch !== this.#epoch) {
      // The held envelopes belong to the old stream, and nothing can fill their gaps any more.
      this.#deliverHeld();
      this.#cancelRequests(level);
      this.#gapFrom = level > 0 ? since.offset : NO_GAP;
      this.#beginStream(since.epoch, since.offset);
      return this.#effects.refetch("epoch");
    }
    this.#level = level;
    if (dropped > 0) this.#dropped = true;
    if (level > 0 || dropped > 0) this.#gapFrom = Math.min(this.#gapFrom, since.offset);
    if (level > 0) return;
    if (this.#dropped) this.#requestRefill();
    else if (!this.#resuming) this.#gapFrom = NO_GAP;
  }

  /**
   * `round`: the owner has sent this heartbeat after that refill or resume, so all of its envelopes came
   * before.
   */
  heartbeat(ack: HeartbeatAck, round?: number): void {
    const settles = round === this.#round;
    if (settles && this.#lossPending) {
      this.#lossPending = false;
      this.#refetchedTo = Math.max(this.#reached, ack.offset);
      this.#effects.refetch("history");
    }
    if (this.#refillTo !== undefined) {
      if (!settles) return;
      // Envelopes with a seq above `#refillTo` may be missing, too: then one more refill is needed.
      const whole = this.#holdsAll(this.#refillTo + 1, ack.seq);
      this.#refillTo = undefined;
      if (this.#refillAgain || !whole) {
        this.#highestSeq = Math.max(this.#highestSeq, ack.seq);
        return this.#requestRefill();
      }
      this.#dropped = this.#level > 0;
      this.#deliverHeld();
      this.#nextSeq = Math.max(this.#nextSeq, ack.seq + 1);
    }
    if (settles) this.#resuming = false;
    this.#highestSeq = Math.max(this.#highestSeq, ack.seq);
    if (this.#replayTo) return;
    if (this.#nextSeq <= ack.seq) this.#requestReplay(ack.seq);
    else if (!this.#resuming) this.#advanceTo(ack.offset);
  }

  // ——— reports of the owner ———

  /** The gateway did not read the replay request that still has no answer: requests it again. */
  replayAgain(): void {
    if (this.#replayTo) this.#requestReplay(this.#replayTo);
  }

  /**
   * The last acknowledgement of this refill or resume has come. `recovered`: the gateway had all messages.
   */
  refilled(recovered: boolean, round: number): void {
    if (!recovered && round === this.#round) this.#lossPending = true;
  }

  // ——— requests ———

  #requestReplay(to: number): void {
    this.#replayTo = to;
    this.#effects.replay(this.#nextSeq, to);
  }

  #requestRefill(): void {
    if (this.#refillTo !== undefined) {
      this.#refillAgain = true;
      return;
    }
    this.#refillAgain = false;
    this.#replayTo = undefined;
    this.#refillTo = this.#highestSeq;
    const since = { epoch: this.#epoch ?? "", offset: this.#completeTo };
    this.#effects.refill(since, ++this.#round);
  }

  /** Forgets all requests: no answer to them will come. */
  #cancelRequests(level: number): void {
    this.#replayTo = this.#refillTo = undefined;
    this.#refillAgain = this.#resuming = this.#dropped = false;
    this.#level = level;
  }

  // ——— positions ———

  /**
   * Everything that the gateway has sent was delivered, and the gateway has sent everything up to this
   * offset.
   */
  #advanceTo(offset: number): void {
    if (this.#level === 0 && !this.#dropped) {
      const complete = Math.max(this.#completeTo, offset);
      // This gateway has sent newer messages: it has dropped some above `offset`.
      if (offset < this.#reached) this.#gapFrom = offset;
      // An earlier gateway has sent newer messages: this gateway has not read the stream that far yet.
      else this.#gapFrom = complete < this.#top ? complete : NO_GAP;
    }
    this.#top = Math.max(this.#top, offset);
  }

  #beginStream(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#top = this.#reached = offset;
    this.#refetchedTo = 0;
    this.#lossPending = false;
    this.#seen = new Seen(this.#generation);
    this.#newest = new Map();
    this.#effects.begin();
  }

  // ——— delivery ———

  /** True when all envelopes with these numbers wait. */
  #holdsAll(from: number, to: number): boolean {
    for (let seq = from; seq <= to; seq++) if (!this.#held.has(seq)) return false;
    return true;
  }

  /** Delivers held envelopes up to the first gap, and requests a replay of that gap. */
  #deliverInOrder(): void {
    if (this.#refillTo !== undefined) return;
    for (let envelope = this.#held.get(this.#nextSeq); envelope; envelope = this.#held.get(this.#nextSeq)) {
      this.#held.delete(this.#nextSeq++);
      this.#deliver(envelope);
    }
    if (this.#held.size > 0 && !this.#replayTo) this.#requestReplay(Math.min(...this.#held.keys()) - 1);
  }

  /** Delivers all held envelopes by offset, because a message that fills a gap has a later seq. */
  #deliverHeld(): void {
    const held = [...this.#held.values()].sort((a, b) => a.offset - b.offset);
    this.#held = new Map();
    this.#nextSeq = Math.max(this.#nextSeq, this.#highestSeq + 1);
    for (const envelope of held) this.#deliver(envelope);
  }

  #deliver(envelope: Envelope): void {
    const { offset, channel } = envelope;
    if (!this.#seen.add(offset)) return;
    this.#top = Math.max(this.#top, offset);
    if (this.#seen.forgotten > this.#completeTo) {
      // A refill from there could bring messages twice, because `#seen` has forgotten them. So the gap is
      // given up.
      this.#gapFrom = NO_GAP;
      this.#resuming = this.#dropped = false;
      this.#effects.refetch("overflow");
    }
    const newest = this.#newest.get(channel) ?? -1;
    if (this.#newest.size > MAX_CHANNELS) this.#newest.clear();
    this.#newest.set(channel, Math.max(newest, offset));
    this.#effects.deliver(envelope, offset < newest);
  }
}
