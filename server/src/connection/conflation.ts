/**
 * The policy `conflate` for slow clients: while a client does not take its messages, the newest message of
 * each channel waits, and leaves as soon as the client's socket has room.
 */

import type { Socket } from "node:net";
import type { Message } from "../delivery/message.ts";
import { LeftOut } from "../ledger/left-out.ts";
import type { ConnectionContext } from "./context.ts";
import type { Job } from "./turns.ts";

/** The part of a connection that its Conflation uses. */
export interface ConflatedClient {
  readonly socket: Socket;
  /** True while an answer is being sent. What waits here leaves behind the answer. */
  readonly busy: boolean;
  /** Sends an envelope with a new sequence. Returns its bytes. */
  sendConflated(message: Message): number;
  /** Writes everything to the socket that was sent so far. */
  flush(): void;
}

/**
 * Channels whose newest messages may wait. A client with a pattern may have more: messages of further
 * channels are dropped and reported.
 */
export const MAX_CONFLATED_CHANNELS = 10_000;
/** Bytes after which a step ends. */
const MAX_STEP_BYTES = 262_144;

export class Conflation implements Job {
  readonly #context: Pick<ConnectionContext, "turns" | "tally" | "history">;
  readonly #client: ConflatedClient;
  /** By channel, in the order in which the messages came. */
  readonly #waiting = new Map<string, Message>();
  readonly #leftOut = new LeftOut();
  #listening = false;
  #ended = false;

  constructor(context: Pick<ConnectionContext, "turns" | "tally" | "history">, client: ConflatedClient) {
    this.#context = context;
    this.#client = client;
  }

  /** True while messages wait. Then every further message has to wait, too: the order stays. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  /** The lowest offset that waits; Infinity when nothing waits. */
  get firstOffset(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { offset } of this.#waiting.values()) first = Math.min(first, offset);
    return first;
  }

  /**
   * Lets a message wait, and leaves out an older one of its channel. Returns false, and does not take the
   * message, when too many channels wait.
   */
  add(message: Message): boolean {
    const { tally, history } = this.#context;
    this.#leftOut.add(message.offset, history.head);
    const replaced = this.#waiting.delete(message.channel);
    // A channel has one event: the count is flushed together with the message that replaces the older one.
    if (replaced) tally.countConflated();
    const taken = this.#waiting.size < MAX_CONFLATED_CHANNELS;
    if (taken) this.#waiting.set(message.channel, message);
    this.#awaitDrain();
    return taken;
  }

  /** True when the message with this offset was left out or waits, if its channel is subscribed. */
  lacks(offset: number): boolean {
    return this.#leftOut.has(offset);
  }

  /** Returns what waits, in order: the caller sends these messages. */
  takeAll(): Message[] {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#closeWhenEmpty();
    return all;
  }

  markSent(offset: number): void {
    this.#leftOut.markSent(offset, this.#context.history.floor);
  }

  /** A message that was marked as sent is not sent. */
  unmark(offset: number): void {
    this.#leftOut.unmark(offset);
  }

  /** Only the messages for which `wanted` is true continue to wait. */
  retain(wanted: (message: Message) => boolean): void {
    for (const [channel, message] of this.#waiting) if (!wanted(message)) this.#waiting.delete(channel);
    this.#closeWhenEmpty();
  }

  /** Sends in this and later turns until the socket is full, and continues when the socket has drained. */
  start(): void {
    if (this.#waiting.size > 0) this.#context.turns.run(this);
  }

  step(): boolean {
    const { turns, tally } = this.#context;
    let bytes = 0;
    while (!this.#blocked && bytes < MAX_STEP_BYTES) {
      const message = this.#waiting.values().next().value;
      if (message === undefined) break;
      this.#waiting.delete(message.channel);
      bytes += this.#client.sendConflated(message);
      tally.flush(message);
      if (turns.stepOver) break;
    }
    if (bytes > 0) this.#client.flush();
    this.#closeWhenEmpty();
    this.#awaitDrain();
    return this.#waiting.size > 0 && !this.#blocked;
  }

  get #blocked(): boolean {
    return this.#ended || this.#client.busy || this.#client.socket.writableNeedDrain;
  }

  #awaitDrain(): void {
    if (this.#listening || this.#waiting.size === 0 || !this.#client.socket.writableNeedDrain) return;
    this.#listening = true;
    this.#client.socket.once("drain", () => {
      this.#listening = false;
      this.start();
    });
  }

  #closeWhenEmpty(): void {
    if (this.#waiting.size === 0) this.#leftOut.close();
  }

  /** Forgets what left the history. Returns true when nothing waits and nothing is remembered. */
  forget(): boolean {
    this.#leftOut.prune(this.#context.history.floor);
    return this.#waiting.size === 0 && this.#leftOut.empty;
  }

  /** Discards what waits, because the connection or the stream has ended. */
  end(): void {
    this.#ended = true;
    this.#waiting.clear();
  }
}
