/** What one connection sends: the sequences of its envelopes, their encoding, and the writes. */

import type { Socket } from "node:net";
import { PRIORITIES } from "@odin-ws/protocol";
import type { SharedFrame } from "../delivery/frame.ts";
import type { Message } from "../delivery/message.ts";
import { CompactLine } from "../ledger/compact-line.ts";
import { ReplayRing } from "../ledger/replay-ring.ts";
import { Writer } from "../outgoing/writer.ts";
import type { ConnectionContext } from "./context.ts";

/** Bytes of answers that may wait for a client that does not read, in multiples of the send buffer. */
const MAX_UNREAD_ANSWERS = 2;
const PING = Buffer.from([0x89, 0]);
const CRITICAL = PRIORITIES.indexOf("critical");

export interface OutboxOptions {
  socket: Socket;
  /** LZ77 window of this client's compression, in bits; 0 for no compression. */
  deflateWindowBits: number;
  /** Ids of the dictionaries that the client has kept; undefined: the client did not ask for the encoding. */
  dictionaries: ReadonlySet<string> | undefined;
}

export class Outbox {
  readonly #context: ConnectionContext;
  readonly #socket: Socket;
  readonly #writer: Writer;
  readonly #ring: ReplayRing;
  readonly #windowBits: number;
  /** Undefined: this client gets JSON. */
  readonly #compact: CompactLine | undefined;
  /** Envelopes that took a sequence and were not sent: the socket had no room for them. */
  #unsent = 0;
  /** Upper bound of the bytes of answers that wait for the client. */
  #unreadAnswers = 0;

  constructor(context: ConnectionContext, { socket, deflateWindowBits, dictionaries }: OutboxOptions) {
    this.#context = context;
    this.#socket = socket;
    this.#writer = new Writer(context.writes, socket);
    this.#ring = new ReplayRing(context.limits.replayBuffer);
    this.#windowBits = deflateWindowBits;
    const encoder = dictionaries && context.compact;
    this.#compact = encoder && new CompactLine(encoder, context.history.head);
  }

  /** Sequence of the last envelope. */
  get seq(): number {
    return this.#ring.last;
  }
  /** Messages that were delivered, without repetitions. */
  get deliveries(): number {
    return this.seq - this.#unsent;
  }
  /** How the envelopes are encoded. */
  get encoding(): "compact" | "json" {
    return this.#compact === undefined ? "json" : "compact";
  }

  // ——— envelopes ———

  /** Returns whether the client's send buffer has room for a message of this size. */
  hasRoom(bytes: number): boolean {
    return this.#writer.hasRoom(bytes);
  }

  /** Takes the next sequence for a message and returns it. */
  number(message: Message): number {
    return this.#ring.push(message);
  }

  /**
   * Sends an envelope. Returns its bytes.
   *
   * @param live the message comes at once, so that its latency counts
   * @param complete the client was sent all earlier messages of the channel, unless `incompleteTo` says
   *   otherwise
   */
  send(message: Message, seq: number, live: boolean, complete: boolean): number {
    const frame =
      this.#compact === undefined ? message.frame(this.#windowBits) : this.#pack(message, complete);
    const urgent = message.priority === CRITICAL;
    const bytes = this.#writer.send(frame, seq, live ? message : undefined, urgent);
    this.#context.tally.countSent(bytes, frame.encoding);
    return bytes;
  }

  /** Returns the message in the compact encoding. Sends the frame's dictionary first, if necessary. */
  #pack(message: Message, complete: boolean): SharedFrame {
    const compact = this.#compact as CompactLine;
    const frame = compact.frame(message, complete);
    const definition = compact.definitionFor(frame);
    if (definition !== undefined) {
      this.#writer.sendWhole(definition);
      this.#context.tally.countDictionary(definition.length);
    }
    return frame;
  }

  /**
   * A message with a sequence is not sent. The message stays in the replay buffer: the client sees the gap
   * and asks for the message.
   */
  leaveUnsent(message: Message): void {
    this.#compact?.incompleteTo(message.offset);
    this.#unsent++;
  }

  /** A message that was not sent is sent with its sequence after all. */
  sendsUnsent(): void {
    this.#unsent--;
  }

  /** Messages up to this offset may be missing or out of order. */
  incompleteTo(offset: number): void {
    this.#compact?.incompleteTo(offset);
  }

  /** Returns the sequence of a message; undefined when the message left the replay buffer. */
  seqOf(message: Message): number | undefined {
    return this.#ring.seqOf(message);
  }

  /** Returns the message with this sequence; undefined when the message left the replay buffer. */
  at(seq: number): Message | undefined {
    return this.#ring.get(seq);
  }

  // ——— everything else ———

  /**
   * Sends the frame of an answer in this turn, with everything that waits to be written. Returns false when
   * too many answers wait for a client that does not read.
   */
  sendAnswer(frame: Buffer): boolean {
    this.#unreadAnswers = Math.min(this.#unreadAnswers, this.#writer.waiting) + frame.length;
    this.#writer.sendWhole(frame);
    const limit = this.#context.limits.sendBufferBytes * MAX_UNREAD_ANSWERS;
    if (this.#unreadAnswers <= limit) return true;
    this.#writer.flush();
    this.#unreadAnswers = Math.min(this.#unreadAnswers, this.#socket.writableLength);
    return this.#unreadAnswers <= limit;
  }

  ping(): void {
    this.#writer.sendWhole(PING);
  }

  /** Defines the dictionaries that the client has kept from an earlier connection. */
  refer(ids: ReadonlySet<string>): void {
    for (const frame of this.#compact?.references(ids) ?? []) this.#writer.sendWhole(frame);
  }

  /** Writes everything that waits to be written, now. */
  flush(): void {
    this.#writer.flush();
  }

  /** Another stream has replaced the stream that was read so far. The sequence continues. */
  begin(): void {
    this.#compact?.begin(this.#context.history.head);
    this.#ring.clear();
  }

  /** Writes what waits, and takes nothing more. */
  end(): void {
    this.#writer.end();
  }
}
