/**
 * Answers to `GET /poll`. Thousands of clients ask for the same channels at the same positions: the position
 * moves in steps, so that these clients share one answer, which is searched, encoded and compressed once.
 */

import { gzipSync } from "node:zlib";
import type { Since } from "@odin-ws/protocol";
import type { History } from "../delivery/history.ts";
import { HistoryReader } from "../delivery/history-reader.ts";
import type { Message } from "../delivery/message.ts";

export interface PollAnswer {
  /** Changes with the messages of the answer, and every 10 s: by then the client needs a newer position. */
  etag: string;
  body: Buffer;
  /** Undefined when compression does not shrink the body. */
  gzip: Buffer | undefined;
  /** Messages in the body. */
  messages: number;
  /** False when the client has lost messages. */
  recovered: boolean;
  /** What the answer has cost, in messages; 0 for an answer that other clients have got before. */
  cost: { messages: number; bytes: number };
}

/** Time between two steps of the position. A polled message is late by this time at most. */
const STEP_MS = 500;
/** How long an answer without new messages counts as not modified. */
const ETAG_MS = 10_000;
/** An answer ends behind this many bytes of messages; the next poll gets the rest. */
const MAX_BYTES = 1_048_576;
/** Bytes of answers that are kept for other clients. */
const MAX_KEPT_BYTES = 33_554_432; // 32 MiB
const BATCH = 1000;
/** Looking at this many messages costs as much as sending one. */
const LOOKED_PER_SENT = 32;
const MIN_GZIP_BYTES = 512;

export class PollAnswers {
  readonly #history: History;
  readonly #now: () => number;
  /** The present position, and when the next step is due. */
  #edge: Since = { epoch: "", offset: 0 };
  #nextStepAt = Number.NEGATIVE_INFINITY;
  /** Answers of this step, by channels and position. */
  #answers = new Map<string, PollAnswer>();
  #keptBytes = 0;

  /** @param now milliseconds of a clock that is never set back */
  constructor(history: History, now: () => number) {
    this.#history = history;
    this.#now = now;
  }

  /**
   * Returns what these channels carried after a position. Without a position, the answer has no messages and
   * names the present position.
   *
   * @param channels channels and patterns in short form
   */
  answer(channels: readonly string[], since: Since | undefined): PollAnswer {
    this.#step();
    const key = `${channels.toSorted().join()} ${since?.epoch} ${since?.offset} ${since?.ts}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return { ...known, cost: { messages: 0, bytes: 0 } };
    const answer = this.#create(channels, since ?? this.#edge);
    this.#keptBytes += answer.body.length;
    if (this.#keptBytes <= MAX_KEPT_BYTES) this.#answers.set(key, answer);
    return answer;
  }

  #step(): void {
    const { epoch, head } = this.#history;
    const now = this.#now();
    if (now < this.#nextStepAt && epoch === this.#edge.epoch) return;
    this.#nextStepAt = now + STEP_MS;
    this.#edge = { epoch, offset: head };
    this.#answers = new Map();
    this.#keptBytes = 0;
  }

  #create(channels: readonly string[], since: Since): PollAnswer {
    const { epoch } = this.#edge;
    const recovered = this.#history.has(since);
    const { messages, looked, end } = recovered
      ? this.#read(channels, since.offset)
      : { messages: [], looked: 0, end: this.#edge.offset };
    const envelopes = messages.map(({ shared }) => `{${shared}`);
    const head = JSON.stringify({ epoch, offset: end, recovered }).slice(0, -1);
    const body = Buffer.from(`${head},"messages":[${envelopes.join()}]}\n`);
    const zipped = body.length < MIN_GZIP_BYTES ? undefined : gzipSync(body, { level: 1 });
    const last = messages.at(-1)?.offset ?? 0;
    return {
      etag: `"${epoch}-${last}-${Number(recovered)}-${Math.floor(this.#now() / ETAG_MS)}"`,
      body,
      messages: messages.length,
      recovered,
      gzip: zipped !== undefined && zipped.length < body.length ? zipped : undefined,
      cost: { messages: messages.length + looked / LOOKED_PER_SENT, bytes: body.length },
    };
  }

  /** `end`: the position up to which the answer is complete, never before the position of the client. */
  #read(channels: readonly string[], offset: number): { messages: Message[]; looked: number; end: number } {
    const edge = this.#edge.offset;
    const reader = new HistoryReader(this.#history, offset, channels);
    const messages: Message[] = [];
    let bytes = 0;
    while (!reader.done) {
      for (const message of reader.next(BATCH) ?? []) {
        if (message.offset > edge) return { messages, looked: reader.looked, end: Math.max(edge, offset) };
        messages.push(message);
        bytes += message.bytes;
        if (bytes > MAX_BYTES) return { messages, looked: reader.looked, end: message.offset };
      }
    }
    return { messages, looked: reader.looked, end: Math.max(edge, offset) };
  }
}
