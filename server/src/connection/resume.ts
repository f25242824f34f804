/**
 * The messages that a `subscribe … since` asks for: those of its channels that this connection was not sent.
 * They are collected in steps.
 */

import type { Since } from "@odin-ws/protocol";
import { HistoryReader } from "../delivery/history-reader.ts";
import type { Message } from "../delivery/message.ts";
import type { Outgoing } from "./catch-up-queue.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionContext } from "./context.ts";

/** Messages between two looks at the clock. */
const BATCH = 256;
/** Looking at this many messages costs as much as sending one. */
const LOOKED_PER_SENT = 32;

export class Resume {
  /** The messages so far, in order; undefined when some are no longer available. */
  found: Outgoing[] | undefined = [];
  readonly #connection: Connection;
  readonly #context: ConnectionContext;
  readonly #since: Since;
  readonly #reader: HistoryReader;
  readonly #delivered: (message: Message) => boolean;
  #bytes = 0;

  /** Must be created before the channels are subscribed. */
  constructor(context: ConnectionContext, connection: Connection, since: Since, channels: readonly string[]) {
    this.#context = context;
    this.#connection = connection;
    this.#since = since;
    this.#delivered = connection.subscriptions.sentFilter();
    this.#reader = new HistoryReader(context.history, since.offset, channels);
    if (!context.history.has(since) || this.#forgotten) this.found = undefined;
  }

  /** True when the connection no longer remembers which of the messages it was not sent. */
  get #forgotten(): boolean {
    const { missed } = this.#connection;
    return missed !== undefined && this.#since.offset < missed.forgotten;
  }

  /** Collects messages until the step is over. Returns true when nothing is left to collect. */
  step(): boolean {
    while (this.found !== undefined && !this.#reader.done) {
      const messages = this.#forgotten ? undefined : this.#reader.next(BATCH);
      if (messages === undefined) this.found = undefined;
      else for (const message of messages) this.#take(message);
      if (this.#context.turns.stepOver) break;
    }
    // Another stream has begun, perhaps after all messages were collected.
    if (this.#context.history.epoch !== this.#since.epoch) this.found = undefined;
    return this.found === undefined || this.#reader.done;
  }

  #take(message: Message): void {
    const sent = this.#delivered(message) || this.#sentAsLastValue(message);
    if (sent && !this.#connection.lacks(message.offset)) return;
    this.#bytes += message.bytes;
    this.found?.push(this.#connection.withOldSeq(message));
  }

  #sentAsLastValue(message: Message): boolean {
    const { history } = this.#context;
    return this.#connection.subscriptions.sentAsLastValue(
      message,
      (head) => history.newestUpTo(message.channel, head) === message,
    );
  }

  /** What the answer costs, in messages and bytes. */
  get cost(): { messages: number; bytes: number } {
    const { looked } = this.#reader;
    return { messages: (this.found?.length ?? 0) + looked / LOOKED_PER_SENT, bytes: this.#bytes };
  }
}
