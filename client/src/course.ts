/**
 * The order of one client's messages, and the position from which the client can resume. Implements the rules
 * of PROTOCOL.md about `seq`, `offset` and `since`. Knows no socket, no clock and no channels.
 *
 * A gap in `seq` stops all envelopes behind it, because the missing envelope may belong to any channel. The
 * course first requests a replay. If the gateway no longer has a missing envelope, the course requests a
 * refill: all live channels `since` the last message before the gap, and then a heartbeat. The refill ends
 * with the answer to this heartbeat. Only then are the waiting envelopes sorted by offset and delivered.
 *
 * The resume after a reconnect is refill number 0. Envelopes wait until the gateway's first answer, and are
 * then delivered as they arrive, because their order is right. If the gateway no longer has all messages,
 * envelopes wait until the end of the refill: the application gets `refetch` before the first message behind
 * the loss.
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
 * |                | some, or the resume is running.          | throttling,         | overflow of #seen,    |
 * |                | Infinity: there are no gaps.             | heartbeat           | a new stream          |
 * | #refetchedTo   | Losses up to this offset were reported   | end of a refill     | a new stream          |
 * |                | with refetch("history").                 |                     |                       |
 * | #seen          | Offsets that were delivered, so that no  | delivery            | a new stream          |
 * |                | message is delivered twice.              |                     |                       |
 * | #newest        | Offset of each channel's newest message. | delivery            | a new stream, more    |
 * |                |                                          |                     | than 50,000 channels  |
 * | #latest        | The envelope with the highest offset.    | envelope            |                       |
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
 * | #refillTo *    | Highest seq when the refill was          | request of a refill | end of the refill,    |
 * |                | requested; later envelopes wait.         | or resume, answer   | answer to the resume  |
 * |                | Undefined: envelopes do not wait for a   | with recovered:     | with recovered: true  |
 * |                | refill. -1: another refill was requested | false               |                       |
 * |                | while one was running.                   |                     |                       |
 * | #lossPending * | Messages are lost, but refetch was not   | answer with         | end of the refill,    |
 * |                | called yet: the end of the refill says   | recovered: false    | too many waiting      |
 * |                | up to which offset they are lost.        |                     | envelopes             |
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

import type {
  Envelope,
  HeartbeatAck,
  Position,
  Replay,
  ReplayEnd,
  Since,
  ThrottleUpdate,
} from "@odin-ws/protocol";
import { Seen } from "./seen.ts";
import type { Refetch } from "./types.ts";

/** Envelopes that may wait behind a gap. Beyond this, a new connection recovers sooner. */
const MAX_HELD = 10_000;
/**
 * Offsets in a generation of `#seen`, as a multiple of MAX_HELD. The history of a gateway has at most 100,000
 * messages in 30 s; one client rarely gets more of them than this.
 */
const GENERATIONS = 5;
/** Channels whose newest offset is remembered. */
const MAX_CHANNELS = 50_000;
const NO_GAP = Infinity;
/** As `#refillTo`: envelope 0 does not exist, so the end of this refill requests another one. */
const REFILL_AGAIN = -1;

/** The listeners; see Registry. */
export interface Receivers {
  /** Passes a message to the listeners. `late`: its channel has delivered a newer message before. */
  deliver(envelope: Envelope, late: boolean): void;
  /** Another stream begins: all listeners get messages above this offset. */
  begin(from: number): void;
}

/** Requests to the gateway; see Requests. */
export interface Questions {
  /** Sends a `replay` request. */
  replay(request: Replay): void;
  /**
   * Subscribes all live channels `since` this position, then sends a heartbeat. The owner reports the answers
   * with `answered` and `heartbeat`, with the same `round`.
   */
  refill(since: Position, round: number): void;
}

/** What the course reports to its owner. */
export interface Effects {
  /** Messages of the live channels are lost. */
  refetch(reason: Refetch["reason"]): void;
  /** This connection cannot recover: a new connection must resume. */
  restart(reason: string): void;
}

export class Course {
  readonly #receivers: Receivers;
  readonly #questions: Questions;
  readonly #effects: Effects;
  readonly #maxHeld: number;

  // State that outlives a connection; see the table above.
  #epoch: string | undefined;
  #top = 0;
  #gapFrom = NO_GAP;
  #refetchedTo = 0;
  #seen = new Seen(0);
  #newest = new Map<string, number>();
  #latest: Partial<Envelope> = {};

  // State of one connection; see the table above.
  #nextSeq = 1;
  #highestSeq = 0;
  #held = new Map<number, Envelope>();
  #replayTo: number | undefined;
  #refillTo: number | undefined;
  #lossPending = false;
  #round = 0;
  #resuming = false;
  #reached = 0;
  #level = 0;
  #dropped = false;

  constructor(receivers: Receivers, questions: Questions, effects: Effects, maxHeld: number = MAX_HELD) {
    this.#receivers = receivers;
    this.#questions = questions;
    this.#effects = effects;
    this.#maxHeld = maxHeld;
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
  welcome({ epoch, offset }: Position, live: boolean): Since | undefined {
    const known = this.#epoch === epoch;
    this.#cancelRequests(0);
    this.#nextSeq = 1;
    this.#highestSeq = this.#round = 0;
    this.#held = new Map();
    if (!known) this.#beginStream(epoch, offset);
    else if (!live) this.#top = Math.max(this.#top, offset);
    this.#reached = offset;
    this.#gapFrom = live ? this.#completeTo : NO_GAP;
    this.#resuming = live;
    if (!live) return undefined;
    this.#refillTo = 0;
    if (!known) this.#effects.refetch("epoch");
    const { offset: at, ts } = this.#latest;
    // Shows the gateway that the stream went back: then another message is at this offset.
    return { epoch, offset: this.#gapFrom, ...(ts && known && at === this.#gapFrom && { ts }) };
  }

  envelope(envelope: Envelope): void {
    const { seq, offset } = envelope;
    this.#reached = Math.max(this.#reached, offset);
    if (offset === this.#reached) this.#latest = envelope;
    // An old seq: a replay that came after its gap was given up. Most often `#seen` has its offset.
    if (seq < this.#nextSeq && this.#refillTo === undefined) return this.#deliver(envelope);
    this.#highestSeq = Math.max(this.#highestSeq, seq);
    this.#held.set(seq, envelope);
    this.#deliverInOrder();
    if (this.#held.size <= this.#maxHeld) return;
    if (!this.#lossPending) return this.#effects.restart("gap too long");
    // A new connection would meet the same loss.
    this.#reportLoss(offset);
    this.#endRefill();
  }

  replayEnd({ to_seq }: ReplayEnd): void {
    if (this.#replayTo !== to_seq) return;
    this.#replayTo = undefined;
    if (this.#nextSeq <= to_seq) this.#requestRefill();
    else this.#deliverInOrder();
  }

  throttled({ level, dropped, since }: ThrottleUpdate): void {
    if (since.epoch !== this.#epoch) {
      this.#effects.refetch("epoch");
      // The held envelopes belong to the old stream, and nothing can fill their gaps any more.
      this.#deliverHeld();
      this.#cancelRequests(level);
      this.#beginStream(since.epoch, since.offset);
      if (level > 0) this.#gapFrom = since.offset;
      return;
    }
    this.#level = level;
    this.#dropped ||= dropped > 0;
    if (level + dropped > 0) this.#gapFrom = Math.min(this.#gapFrom, since.offset);
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
    if (settles && this.#lossPending) this.#reportLoss(ack.offset);
    let seq = this.#refillTo;
    if (seq !== undefined && !settles) return;
    this.#highestSeq = Math.max(this.#highestSeq, ack.seq);
    if (seq !== undefined) {
      // Envelopes with a seq above `#refillTo` may be missing, too: then one more refill is needed.
      while (this.#held.has(++seq)) {}
      if (seq <= ack.seq) {
        this.#refillTo = undefined;
        return this.#requestRefill();
      }
      this.#endRefill();
    }
    if (settles) this.#resuming = false;
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
   * The gateway has answered a part of the refill or resume. `recovered`: it had all messages of that part.
   */
  answered(recovered: boolean): void {
    if (!recovered) {
      this.#lossPending = true;
      this.#refillTo ??= this.#highestSeq;
    } else if (this.#round === 0 && this.#refillTo === 0 && !this.#lossPending) {
      this.#refillTo = undefined;
      this.#deliverInOrder();
    }
  }

  // ——— requests ———

  #requestReplay(to: number): void {
    this.#replayTo = to;
    this.#questions.replay({ type: "replay", from_seq: this.#nextSeq, to_seq: to });
  }

  #requestRefill(): void {
    if (this.#refillTo !== undefined) {
      this.#refillTo = REFILL_AGAIN;
      return;
    }
    this.#replayTo = undefined;
    this.#refillTo = this.#highestSeq;
    const since = { epoch: this.#epoch ?? "", offset: this.#completeTo };
    this.#questions.refill(since, ++this.#round);
  }

  #endRefill(): void {
    this.#refillTo = undefined;
    this.#dropped = this.#level > 0;
    this.#deliverHeld();
  }

  /** Forgets all requests: no answer to them will come. */
  #cancelRequests(level: number): void {
    this.#replayTo = this.#refillTo = undefined;
    this.#lossPending = this.#resuming = this.#dropped = false;
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
    this.#gapFrom = NO_GAP;
    this.#seen = new Seen(GENERATIONS * this.#maxHeld);
    this.#newest = new Map();
    this.#receivers.begin(-1);
  }

  /** Reports the pending loss. An application that fetches the state now has everything up to this offset. */
  #reportLoss(offset: number): void {
    this.#lossPending = false;
    this.#refetchedTo = Math.max(this.#reached, offset);
    this.#effects.refetch("history");
  }

  // ——— delivery ———

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
    const held = [...this.#held.values()];
    this.#held = new Map();
    this.#nextSeq = this.#highestSeq + 1;
    for (const envelope of held.sort((a, b) => a.offset - b.offset)) this.#deliver(envelope);
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
    const late = offset < (this.#newest.get(channel) ?? 0);
    if (this.#newest.size > MAX_CHANNELS) this.#newest.clear();
    if (!late) this.#newest.set(channel, offset);
    this.#receivers.deliver(envelope, late);
  }
}
