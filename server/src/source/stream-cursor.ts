/**
 * The place of a gateway in the stream: the epoch and the last message that was read. Decides what a change
 * of the stream means for this place.
 */

import type { StreamInfo } from "@nats-io/jetstream";
import type { Log } from "../log.ts";
import { type FirstFrom, findBranch } from "./find-branch.ts";
import { ReadMessages, type StoredMessage } from "./read-messages.ts";
import type { Intake } from "./source.ts";
import { epochOf, nextEpoch } from "./stream-epoch.ts";

export class StreamCursor {
  readonly #intake: Pick<Intake, "begin" | "lose">;
  readonly #log: Log;
  readonly #read = new ReadMessages();
  /** Epochs that were left. A server that lost its last writes may have lost the newest epoch, too. */
  readonly #formerEpochs = new Set<string>();
  #created = "";
  #epoch = "";
  #seq = 0;

  constructor(intake: Pick<Intake, "begin" | "lose">, log: Log) {
    this.#intake = intake;
    this.#log = log;
  }

  /** Creation time of the stream that is read; empty before the first stream. */
  get created(): string {
    return this.#created;
  }
  get epoch(): string {
    return this.#epoch;
  }
  /** Sequence of the last message that was read. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * Returns why the stream no longer fits the cursor, so that `locate` must be called; otherwise undefined.
   */
  problemWith({ created, state, config }: StreamInfo, seq: number): string | undefined {
    if (created !== this.#created) return "the stream was replaced by another one";
    if (state.last_seq < seq) return "the sequences of the stream went back";
    if (this.#isNew(epochOf({ created, config })))
      return "another gateway has noticed that the stream went back";
    return undefined;
  }

  /** True when the cursor is in this stream and in its epoch. */
  follows({ created, config }: Pick<StreamInfo, "created" | "config">): boolean {
    return created === this.#created && !this.#isNew(epochOf({ created, config }));
  }

  /** Resolves with true when another stream than the one that was read has these messages. */
  async differsFrom({ state }: StreamInfo, firstFrom: FirstFrom): Promise<boolean> {
    const { first_seq: first, last_seq: last } = state;
    return (await findBranch({ read: this.#read, cursor: this.#seq, first, last, firstFrom })) !== undefined;
  }

  /**
   * Sets the cursor for the next consumer: unchanged, at the beginning of a stream that was not read before,
   * or behind the last common message of a stream that went back.
   */
  async locate(info: StreamInfo, firstFrom: FirstFrom): Promise<void> {
    const { created, state } = info;
    const start = state.first_seq === 0 ? 0 : state.first_seq - 1;
    const named = epochOf(info);
    if (created !== this.#created) {
      this.#created = created;
      this.#read.clear();
      this.#begin(named, start, 0, "reading the stream from its beginning");
      return;
    }
    const { first_seq: first, last_seq: last } = state;
    const branch = await findBranch({ read: this.#read, cursor: this.#seq, first, last, firstFrom });
    if (branch !== undefined) {
      // Every gateway that has read messages behind the branch gets the same epoch here.
      const epoch = this.#isNew(named) ? named : nextEpoch(this.#epoch, branch);
      this.#read.removeAbove(branch.seq);
      this.#begin(
        epoch,
        Math.max(branch.seq, start),
        branch.seq,
        "the stream went back: reading what it has stored since",
      );
    } else if (this.#isNew(named)) {
      // This gateway has read nothing of what the stream lost.
      this.#begin(
        named,
        this.#seq,
        this.#seq,
        "the stream went back behind this gateway: taking the epoch of the others",
      );
    }
    if (start > this.#seq) this.skipTo(start);
  }

  /**
   * Takes a message of the consumer. Returns `next` when the message must be delivered, `known` when it was
   * read before, and `other` when another message was read under this sequence.
   */
  take(message: StoredMessage): "next" | "known" | "other" {
    const { seq } = message;
    if (seq === this.#seq && !this.#read.has(message)) return "other";
    if (seq <= this.#seq) return "known";
    if (seq > this.#seq + 1) this.skipTo(seq - 1);
    this.#seq = seq;
    this.#read.add(message);
    return "next";
  }

  /**
   * Passes the end of the stream when its last messages were removed: then this gateway has read as many
   * messages as the stream holds. `info` must be at least as old as the last message that was read.
   */
  passHoles({ state }: StreamInfo): void {
    const { first_seq: first, last_seq: last, messages } = state;
    if (this.#seq < last && this.#read.countFrom(first) === messages) this.skipTo(last);
  }

  /** Passes messages that left the stream before they could be read. */
  skipTo(seq: number): void {
    this.#intake.lose(seq);
    this.#seq = seq;
  }

  #isNew(epoch: string): boolean {
    return epoch !== this.#epoch && !this.#formerEpochs.has(epoch);
  }

  #begin(epoch: string, offset: number, sameUpTo: number, text: string): void {
    if (this.#epoch !== "") this.#formerEpochs.add(this.#epoch);
    this.#epoch = epoch;
    this.#seq = offset;
    this.#intake.begin(epoch, offset, sameUpTo);
    this.#log.info({ epoch, offset }, text);
  }
}
