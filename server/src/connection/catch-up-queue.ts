/** What waits for room in a client's socket because it was asked for: a resume, a replay, and whatever must not overtake it. */

import type { Socket } from "node:net";
import type { ControlMessage } from "@odin-ws/protocol";
import { Deque } from "../delivery/deque.ts";
import type { Message } from "../delivery/message.ts";

/** An envelope that is sent once more, with the sequence it had. */
export interface Resent {
  message: Message;
  seq: number;
}
/** New messages, repeated ones, and control messages that follow them, made when they go. */
export type Outgoing = Message | Resent | (() => ControlMessage);

/** Live messages that may pile up behind what was asked for before the client counts as too slow. */
const MAX_LIVE = 10_000;
/** Answers that may wait for a client that asks and does not read. */
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

  /** Adds what was asked for; false when too many answers wait. */
  add(items: readonly Outgoing[]): boolean {
    for (const item of items) {
      this.#items.push(item);
      if (typeof item === "function") this.#answers++;
    }
    return this.#answers <= MAX_ANSWERS;
  }

  /** Adds a live message behind it; false when too many wait. */
  addLive(message: Message): boolean {
    this.#items.push(message);
    return ++this.#liveCount <= MAX_LIVE;
  }

  /** Leaves out what is not wanted any more. Answers stay: somebody waits for them. */
  retain(wanted: (item: Message | Resent) => boolean): void {
    const retained = new Deque<Outgoing>();
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
      if (typeof item === "function" || wanted(item)) retained.push(item);
    }
    this.#items = retained;
    this.#liveCount = Math.min(this.#liveCount, retained.length);
  }

  /** Sends as long as the socket takes it, now and whenever it has room again; calls `done` when all is sent. */
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

  /** The connection is over: nothing is sent any more. */
  end(): void {
    this.#ended = true;
  }
}
