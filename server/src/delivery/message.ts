/**
 * A message of the stream in the gateway. Its envelope is encoded once and compressed once for all
 * connections.
 */

import { isPriority, kindOf, PRIORITIES, parseSubject, patternsOf } from "@odin-ws/protocol";
import type { RawMessage } from "../source/source.ts";
import type { CompactFrame, CompactText } from "./compact-frame.ts";
import { deflateFrame, HEADROOM, SharedFrame } from "./frame.ts";

/** A message in the form in which it is sent to another process. */
export type PackedMessage = [
  offset: number,
  ts: number,
  channel: string,
  event: string,
  priority: number,
  /** The envelope after `{"seq":N,`. */
  shared: Uint8Array,
];

const CLOSE_BRACE = 0x7d;
/** Follows the offset of a last value. */
const LAST_MARK = Buffer.from('"last":true,');

export class Message {
  readonly offset: number;
  /** Publish time, milliseconds since 1970. */
  readonly ts: number;
  readonly channel: string;
  readonly event: string;
  /** Index into PRIORITIES. */
  readonly priority: number;
  /** Deliveries that this process has written and whose latency is not in the metrics yet. */
  written = 0;
  /** Cache of the CompactEncoder: the frame that needs no earlier message, and the dictionaries' version. */
  compact: { frame: CompactFrame; version: number } | undefined;
  readonly #plain: SharedFrame;
  /** Compressed frames by LZ77 window in bits; undefined where deflate does not shrink the frame. */
  #deflated: Map<number, SharedFrame | undefined> | undefined;

  private constructor(
    offset: number,
    ts: number,
    channel: string,
    event: string,
    priority: number,
    plain: SharedFrame,
  ) {
    this.offset = offset;
    this.ts = ts;
    this.channel = channel;
    this.event = event;
    this.priority = priority;
    this.#plain = plain;
  }

  /**
   * Encodes a message from a source, whose body must be valid JSON. Returns undefined for an unknown subject.
   */
  static from(raw: RawMessage): Message | undefined {
    const subject = parseSubject(raw.subject);
    if (subject === undefined) return undefined;
    const { channel, event } = subject;
    const kind = kindOf(event);
    const priority = isPriority(raw.priority) ? raw.priority : kind.priority;
    const type = raw.type === undefined || raw.type === "" ? kind.type : raw.type;
    const head = Buffer.from(
      `"offset":${raw.offset},"ts":${raw.ts},"type":${JSON.stringify(type)},"priority":"${priority}","channel":"${channel}","data":`,
    );
    // Not from Buffer's pool: the history would keep the pool's whole block alive together with this message.
    const buffer = Buffer.allocUnsafeSlow(HEADROOM + head.length + raw.body.length + 1);
    head.copy(buffer, HEADROOM);
    buffer.set(raw.body, HEADROOM + head.length);
    buffer[buffer.length - 1] = CLOSE_BRACE;
    return new Message(
      raw.offset,
      raw.ts,
      channel,
      event,
      PRIORITIES.indexOf(priority),
      new SharedFrame(buffer),
    );
  }

  /** Restores a message from another process. */
  static unpack([offset, ts, channel, event, priority, shared]: PackedMessage): Message {
    const buffer = Buffer.allocUnsafeSlow(HEADROOM + shared.length);
    buffer.set(shared, HEADROOM);
    return new Message(offset, ts, channel, event, priority, new SharedFrame(buffer));
  }

  /** Returns the form in which the message is sent to another process. */
  pack(): PackedMessage {
    return [this.offset, this.ts, this.channel, this.event, this.priority, this.#plain.shared];
  }

  /** Returns the same message with a mark: a client gets it as the newest message of its channel so far. */
  asLastValue(): Message {
    const { offset, ts, channel, event, priority, shared } = this;
    const { text } = this.compactText;
    const start = shared.subarray(0, shared.length - text.length);
    return Message.unpack([offset, ts, channel, event, priority, Buffer.concat([start, LAST_MARK, text])]);
  }

  /** Bytes that the message occupies, uncompressed. */
  get bytes(): number {
    return this.#plain.size;
  }

  /** The envelope's text after `{"seq":N,`. */
  get shared(): Buffer {
    return this.#plain.shared;
  }

  /** The part of the envelope that the compact encoding compresses. */
  get compactText(): CompactText {
    const { offset } = this;
    return { offset, text: this.shared.subarray(`"offset":${offset},`.length) };
  }

  /** Returns the patterns that match the channel. */
  get patterns(): [string, string, string] {
    return patternsOf(this.channel);
  }

  /**
   * Returns the frame for a connection whose client inflates with this window in bits, 9 to 15; 0: no
   * compression.
   */
  frame(windowBits: number): SharedFrame {
    if (windowBits === 0) return this.#plain;
    this.#deflated ??= new Map();
    let frame = this.#deflated.get(windowBits);
    if (frame === undefined && !this.#deflated.has(windowBits)) {
      frame = deflateFrame(this.#plain, windowBits);
      this.#deflated.set(windowBits, frame);
    }
    return frame ?? this.#plain;
  }
}
