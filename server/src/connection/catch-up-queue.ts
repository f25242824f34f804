/**
 * Messages and answers that wait for their turn and for room in a client's socket: a resume, a replay, and
 * the live messages behind them.
 */

import type { Socket } from "node:net";
import type { ControlMessage } from "@odin-ws/protocol";
import { Deque } from "../delivery/deque.ts";
import { Message } from "../delivery/message.ts";
import type { ConnectionContext } from "./context.ts";
import type { Subscriptions } from "./subscriptions.ts";
import type { Job } from "./turns.ts";

/** An envelope that a request asked for: it is sent even when its channel was unsubscribed meanwhile. */
export interface Requested {
  message: Message;
  /** The sequence that the envelope had before; undefined: it gets a new one. */
  seq: number | undefined;
}
/** An envelope that is sent again, with the sequence that it had before. */
export interface Resent extends Requested {
  seq: number;
}
/** A new message, a requested one, or a control message that is created just before it is sent. */
export type Outgoing = Message | Requested | (() => ControlMessage);

/** The part of a connection that its queue uses. */
export interface CatchUpTarget {
  readonly socket: Socket;
  readonly subscriptions: Subscriptions;
  /** Sends a control message. Returns its bytes. */
  control(message: ControlMessage): number;
  /** Sends an envelope, with a new sequence unless it had one before. Returns its bytes. */
  sendMessage(message: Message, oldSeq?: number): number;
  /** Writes everything to the socket that was sent so far. */
  flush(): void;
  /** A message that waited is not sent, because its channel is no longer subscribed. */
  leftOut(message: Message): void;
  /** Everything is sent: live messages no longer wait. */
  caughtUp(): void;
}

/** When more live messages than this wait behind the requested ones, further ones are left out. */
const MAX_LIVE = 10_000;
/** The same while the client does not take its messages and the newest of each channel can wait instead. */
const MAX_LIVE_BLOCKED = 1000;
/** Answers that may wait for a client that sends requests but does not read. */
const MAX_ANSWERS = 256;
/** Bytes after which a step ends. */
const MAX_STEP_BYTES = 262_144;

export class CatchUpQueue implements Job {
  readonly #context: Pick<ConnectionContext, "turns" | "tally" | "history">;
  readonly #target: CatchUpTarget;
  #items = new Deque<Outgoing>();
  #liveCount = 0;
  #answers = 0;
  /** The first messages are still being collected: everything waits. */
  #held = false;
  /** Messages that are sent before those. */
  #before: readonly Message[] = [];
  #ended = false;
  /** Channels were unsubscribed: waiting messages of no subscription are left out when their turn comes. */
  #pruned = false;
  #wanted: ((message: Message) => boolean) | undefined;
  /** The last message that was sent and is not in the metrics yet. */
  #uncounted: Message | undefined;
  #onEnd: (() => void) | undefined;

  constructor(context: Pick<ConnectionContext, "turns" | "tally" | "history">, target: CatchUpTarget) {
    this.#context = context;
    this.#target = target;
  }

  /** Calls a function once, when everything is sent. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback;
  }

  /** `removed`: some channels are no longer subscribed. */
  subscriptionsChanged(removed = false): void {
    this.#wanted = undefined;
    if (removed) this.#pruned = true;
  }

  /** Lets everything wait until `release`, and then sends `before` first. */
  hold(before: readonly Message[]): void {
    this.#held = true;
    this.#before = before;
  }

  /** Puts these items before everything that waits, and begins to send. */
  release(items: readonly Outgoing[]): void {
    const live = this.#items;
    this.#items = new Deque();
    this.add(this.#before);
    this.#before = [];
    this.add(items);
    for (let item = live.shift(); item !== undefined; item = live.shift()) this.#items.push(item);
    this.#held = false;
  }

  /** Adds the messages and answers of a request. Returns false when too many answers wait. */
  add(items: readonly Outgoing[]): boolean {
    for (const item of items) {
      this.#items.push(item);
      if (typeof item === "function") this.#answers++;
    }
    return this.#answers <= MAX_ANSWERS;
  }

  /** True when no further live message is taken. */
  get full(): boolean {
    return this.#liveCount >= MAX_LIVE;
  }

  /**
   * Adds a live message. Returns false, and does not add it, when too many live messages wait.
   *
   * @param conflating the newest message of each channel can wait elsewhere
   */
  addLive(message: Message, conflating = false): boolean {
    const blocked = conflating && this.#liveCount >= MAX_LIVE_BLOCKED;
    if (this.full || (blocked && this.#target.socket.writableNeedDrain)) return false;
    this.#items.push(message);
    this.#liveCount++;
    return true;
  }

  /** Removes all messages. Answers stay, because the client waits for them. */
  clearMessages(): void {
    const retained = new Deque<Outgoing>();
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
      if (typeof item === "function") retained.push(item);
    }
    this.#items = retained;
    this.#before = [];
    this.#liveCount = 0;
  }

  /** Sends in this and later turns until the socket is full, and continues when the socket has drained. */
  start(): void {
    this.#context.turns.run(this);
  }

  step(): boolean {
    let bytes = 0;
    while (!this.#waits && bytes < MAX_STEP_BYTES) {
      const item = this.#items.shift();
      if (item === undefined) {
        this.#ended = true;
        this.#flush();
        this.#target.caughtUp();
        this.#onEnd?.();
        break;
      }
      this.#liveCount = Math.min(this.#liveCount, this.#items.length);
      if (typeof item === "function") this.#answers--;
      bytes += this.#sendItem(item);
      if (this.#context.turns.stepOver) break;
    }
    this.#flush();
    if (!this.#waits) return true;
    if (!this.#ended && !this.#held) this.#target.socket.once("drain", () => this.start());
    return false;
  }

  #sendItem(item: Outgoing): number {
    if (typeof item === "function") return this.#target.control(item());
    if (!(item instanceof Message)) return this.#sendMessage(item.message, item.seq);
    if (this.#pruned) {
      this.#wanted ??= this.#target.subscriptions.deliveredFilter();
      if (!this.#wanted(item) && !this.#isLastValue(item)) {
        this.#target.leftOut(item);
        return 0;
      }
    }
    return this.#sendMessage(item);
  }

  /**
   * True when a subscription that still exists brings the message as a last value. The value was not sent
   * once more, because the message waits here.
   */
  #isLastValue(message: Message): boolean {
    return this.#target.subscriptions.sentAsLastValue(
      message,
      (head) => this.#context.history.newestUpTo(message.channel, head) === message,
    );
  }

  #sendMessage(message: Message, oldSeq?: number): number {
    // The metrics count by event: messages of the same event in a row are counted at once.
    if (this.#uncounted?.event !== message.event) this.#count();
    this.#uncounted = message;
    return this.#target.sendMessage(message, oldSeq);
  }

  #flush(): void {
    this.#target.flush();
    this.#count();
  }

  #count(): void {
    if (this.#uncounted !== undefined) this.#context.tally.flush(this.#uncounted);
    this.#uncounted = undefined;
  }

  get #waits(): boolean {
    return this.#ended || this.#held || this.#target.socket.writableNeedDrain;
  }

  /** Stops sending, because the connection has ended. */
  end(): void {
    this.#ended = true;
  }
}
