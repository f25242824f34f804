/**
 * The last values that a `subscribe` with `last` asks for: the newest message of each of its channels that
 * this connection was not sent.
 */

import { MAX_LAST_VALUES } from "@odin-ws/protocol";
import type { History } from "../delivery/history.ts";
import type { LastValues } from "../delivery/last-values.ts";
import type { Message } from "../delivery/message.ts";
import type { Outgoing } from "./catch-up-queue.ts";
import type { Connection } from "./connection.ts";

/** Looking at this many messages costs as much as sending one. */
const LOOKED_PER_SENT = 32;

export class LastLookup {
  readonly #values: LastValues;
  readonly #connection: Connection;
  readonly #channels: readonly string[];
  readonly #history: History;
  readonly #epoch: string;
  readonly #head: number;
  #found: readonly Message[];
  /** The newest messages of all channels are found above this offset. */
  #completeAbove = 0;
  #looked = 0;
  /** All values are sent that this connection was not sent before. */
  #complete = true;

  /** Must be created before the channels are subscribed. */
  constructor(values: LastValues, connection: Connection, channels: readonly string[], history: History) {
    this.#values = values;
    this.#connection = connection;
    this.#channels = channels;
    this.#history = history;
    this.#epoch = history.epoch;
    this.#head = history.head;
    this.#found = this.#find();
  }

  #find(): Message[] {
    const { subscriptions } = this.#connection;
    const found = new Set<Message>();
    for (const name of this.#channels) {
      const newest = this.#values.newest(name, MAX_LAST_VALUES);
      this.#looked += newest.length;
      if (newest.length === MAX_LAST_VALUES) this.#raise(newest.at(-1) as Message);
      for (const message of newest) found.add(message);
    }
    const newestFirst = [...found].sort((a, b) => b.offset - a.offset);
    const beyond = newestFirst[MAX_LAST_VALUES];
    if (beyond !== undefined) this.#raise(beyond);
    const delivered = subscriptions.sentFilter();
    const wanted = newestFirst.slice(0, MAX_LAST_VALUES).filter((message) => {
      const sent = delivered(message) || subscriptions.sentAsLastValue(message);
      return !sent || this.#connection.lacks(message.offset);
    });
    return wanted.reverse();
  }

  #raise(message: Message): void {
    this.#completeAbove = Math.max(this.#completeAbove, message.offset);
  }

  /** Leaves out the values above an offset, because the client has them or gets them in another way. */
  keepUpTo(offset: number): void {
    this.#complete = false;
    this.#found = this.#found.filter((message) => message.offset <= offset);
  }

  /** Returns the values to send, in order. From now on they count as sent. */
  take(): Outgoing[] {
    if (this.#history.epoch !== this.#epoch) {
      // Another stream has begun since the look-up. Only what that stream has, too, is a value.
      this.#found = this.#found.filter((message) => this.#values.has(message));
    } else if (this.#complete) {
      this.#connection.subscriptions.lastValuesSent(this.#channels, this.#head, this.#completeAbove);
    }
    return this.#found.map((message) => {
      const again = this.#connection.withOldSeq(message);
      return { message: this.#values.marked(message), seq: "seq" in again ? again.seq : undefined };
    });
  }

  /** What the answer costs, in messages and bytes. */
  get cost(): { messages: number; bytes: number } {
    const bytes = this.#found.reduce((sum, message) => sum + message.bytes, 0);
    return { messages: this.#found.length + this.#looked / LOOKED_PER_SENT, bytes };
  }
}
