/**
 * Messages and answers that wait for room in a client's socket: a resume, a replay, and the live messages
 * behind them.
 */

import type { Socket } from "node:net";
import type { ControlMessage } from "@odin-ws/protocol";
import { Deque } from "../delivery/deque.ts";
import type { Message } from "../delivery/message.ts";

/** An envelope that is sent again, with the sequence that it had before. */
export interface Resent {
  message: Message;
  seq: number;
}
/** A new message, a resent one, or a control message that is created just before it is sent. */
export type Outgoing = Message | Resent | (() => ControlMessage);

/** When more live messages than this wait behind the requested ones, the client is too slow. */
const MAX_LIVE = 10_000;
/** Answers that may wait for a client that sends requests but does not read. */
const MAX_ANSWERS = 256;

export class CatchUpQueue {
  readonly #socket: Socket;
  readonly #send: (item: Outgoing) => void;
  #items = new Deque<Outgoing>();
  #liveCount = 0;
  #answers = 0;
  #ended = false;

  constructor(socket: Socket, send: (item: Outgoing) => void) {
    this.#socket = socket;
    this.#send = send;
  }

  /** Adds the messages and answers of a request. Returns false when too many answers wait. */
  add(items: readonly Outgoing[]): boolean {
    for (const item of items) {
      this.#items.push(item);
      if (typeof item === "function") this.#answers++;
    }
    return this.#answers <= MAX_ANSWERS;
  }

  /** Adds a live message. Returns false when too many live messages wait. */
  addLive(message: Message): boolean {
    this.#items.push(message);
    return ++this.#liveCount <= MAX_LIVE;
  }

  /** Removes the messages for which `wanted` is false. Answers stay, because the client waits for them. */
  retain(wanted: (item: Message | Resent) => boolean): void {
    const retained = new Deque<Outgoing>();
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
      if (typeof item === "function" || wanted(item)) retained.push(item);
    }
    this.#items = retained;
    this.#liveCount = Math.min(this.#liveCount, retained.length);
  }

  /**
   * Sends until the socket is full, and continues each time the socket has drained. Calls `done` when all is
   * sent.
   */
  pump(done: () => void): void {
    while (!this.#ended) {
      if (this.#socket.writableNeedDrain) {
        this.#socket.once("drain", () => this.pump(done));
        return;
      }
      const item = this.#items.shift();
      if (item === undefined) return done();
      this.#liveCount = Math.min(this.#liveCount, this.#items.length);
      if (typeof item === "function") this.#answers--;
      this.#send(item);
    }
  }

  /** Stops sending, because the connection has ended. */
  end(): void {
    this.#ended = true;
  }
}
