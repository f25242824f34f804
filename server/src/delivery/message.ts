/** A message of the stream as the gateway holds it: its envelope encoded once, compressed once, for all connections. */

import { isPriority, kindOf, PRIORITIES, parseSubject, patternsOf } from "@odin-ws/protocol";
import type { RawMessage } from "../source/source.ts";
import { deflateFrame, HEADROOM, SharedFrame } from "./frame.ts";

/** What has to be known to make the same Message in another process. */
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

export class Message {
  readonly offset: number;
  /** Publish time, milliseconds since 1970. */
  readonly ts: number;
  readonly channel: string;
  readonly event: string;
  /** Index into PRIORITIES. */
  readonly priority: number;
  readonly #plain: SharedFrame;
  /** By LZ77 window; undefined where deflate gains nothing. */
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

  /** Encodes what a source delivered. Undefined when the subject is none of ours. The body must be valid JSON. */
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
    // Own memory: a pooled or borrowed buffer would keep its whole block alive for as long as the history does.
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

  static unpack([offset, ts, channel, event, priority, shared]: PackedMessage): Message {
    const buffer = Buffer.allocUnsafeSlow(HEADROOM + shared.length);
    buffer.set(shared, HEADROOM);
    return new Message(offset, ts, channel, event, priority, new SharedFrame(buffer));
  }

  pack(): PackedMessage {
    return [this.offset, this.ts, this.channel, this.event, this.priority, this.#plain.shared];
  }

  /** Bytes that the message occupies, uncompressed. */
  get bytes(): number {
    return this.#plain.size;
  }

  /** Patterns that match the channel. */
  get patterns(): [string, string, string] {
    return patternsOf(this.channel);
  }

  /** The frame for a connection that can inflate with this window, 9 to 15, or not at all (0). */
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
