/**
 * Everything that leaves one connection, in order: messages, answers, pings. Frames wait here until `Writes`
 * lets this connection write, and then leave in one write.
 */

import type { Socket } from "node:net";
import { type Frame, WholeFrame } from "../delivery/frame.ts";
import type { Message } from "../delivery/message.ts";
import { BATCH_BYTES } from "./write-batch.ts";
import type { QueuedWriter, Writes } from "./writes.ts";

interface Waiting {
  frame: Frame;
  seq: number;
  /** Set for a live message, whose latency counts. */
  message: Message | undefined;
}

export class Writer implements QueuedWriter {
  readonly #writes: Writes;
  readonly #socket: Socket;
  /** The first frame that waits, its sequence and its live message. Most turns bring only this one. */
  #frame: Frame | undefined;
  #seq = 0;
  #message: Message | undefined;
  /** The frames that wait behind the first one. */
  #rest: Waiting[] | undefined;
  /** Bytes of all frames that wait here. */
  #bytes = 0;
  #queuedSoon = false;
  #queuedLater = false;
  /** Bytes of the last message that is larger than the send buffer; 0 when there was none. */
  #oversize = 0;
  #ended = false;

  constructor(writes: Writes, socket: Socket) {
    this.#writes = writes;
    this.#socket = socket;
  }

  /** Bytes that wait for the client: here, and in its socket. */
  get waiting(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Returns whether the client's send buffer has room for a message of this size. */
  hasRoom(bytes: number): boolean {
    if (this.#fits(bytes)) return true;
    if (this.#bytes === 0) return false;
    // The frames that wait here only wait for company. The client is slow when its socket does not take them.
    this.flush();
    return this.#fits(bytes);
  }

  #fits(bytes: number): boolean {
    const { waiting } = this;
    if (waiting === 0) return true;
    // A message that is larger than the whole buffer does not count while it is on its way: a client is slow
    // when it takes nothing, not when it is given much.
    const oversize = waiting >= this.#oversize ? this.#oversize : 0;
    return waiting + bytes <= this.#writes.sendBufferBytes + oversize;
  }

  /**
   * Takes an envelope with its sequence. Returns its bytes.
   *
   * @param live the message of the frame when its latency counts; undefined for a message that is sent late
   * @param urgent true when the envelope leaves in this turn in spite of a write delay or a pause
   */
  send(frame: Frame, seq: number, live: Message | undefined, urgent: boolean): number {
    const bytes = frame.bytes(seq);
    if (bytes > this.#writes.sendBufferBytes) this.#oversize = bytes;
    this.#add(frame, seq, live, bytes);
    this.#queue(urgent);
    return bytes;
  }

  /** Takes the bytes of a frame for this client only, such as an answer or a ping. It leaves in this turn. */
  sendWhole(bytes: Buffer): void {
    this.#add(new WholeFrame(bytes), 0, undefined, bytes.length);
    this.#queue(true);
  }

  #add(frame: Frame, seq: number, message: Message | undefined, bytes: number): void {
    if (this.#ended) return;
    if (this.#bytes > 0 && this.#bytes + bytes > BATCH_BYTES) this.flush();
    this.#bytes += bytes;
    if (this.#frame === undefined) {
      this.#frame = frame;
      this.#seq = seq;
      this.#message = message;
    } else if (this.#rest === undefined) this.#rest = [{ frame, seq, message }];
    else this.#rest.push({ frame, seq, message });
  }

  #queue(urgent: boolean): void {
    if (this.#queuedSoon) return;
    if (urgent) {
      this.#queuedSoon = true;
      this.#writes.queueSoon(this);
    } else if (!this.#queuedLater) {
      this.#queuedLater = true;
      this.#writes.queueLater(this);
    }
  }

  writeQueued(queue: "soon" | "later"): void {
    if (queue === "soon") this.#queuedSoon = false;
    else this.#queuedLater = false;
    this.flush();
  }

  /** Writes everything that waits, now. */
  flush(): void {
    const first = this.#frame;
    if (first === undefined) return;
    const rest = this.#rest;
    const socket = this.#socket;
    this.#frame = undefined;
    this.#rest = undefined;
    this.#bytes = 0;
    this.#countLive(this.#message);
    this.#message = undefined;
    if (rest === undefined) {
      first.writeTo(socket, this.#seq);
    } else {
      const { batch } = this.#writes;
      first.writeTo(batch, this.#seq);
      for (const { frame, seq, message } of rest) {
        frame.writeTo(batch, seq);
        this.#countLive(message);
      }
      batch.flushTo(socket);
    }
    this.#writes.wrote();
  }

  #countLive(message: Message | undefined): void {
    if (message !== undefined) this.#writes.delivered(message);
  }

  /** Writes what waits, if the socket can still be written to, and takes nothing more. */
  end(): void {
    if (this.#socket.writable) this.flush();
    this.#ended = true;
    this.#frame = undefined;
    this.#message = undefined;
    this.#rest = undefined;
    this.#bytes = 0;
  }
}
