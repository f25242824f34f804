/** One connection of the load process: upgrades, subscribes, then counts deliveries. */

import { connect, type Socket } from "node:net";
import { CompactCache, CompactReader } from "@odin-ws/loadtest/compact-reader";
import { clientFrame, FrameReader, OPCODE } from "@odin-ws/loadtest/frame-reader";
import { moment } from "./clock.ts";
import { type Dialect, type Listener, READY } from "./dialects.ts";
import { InflateOnce, InflateStream, inflateMessage } from "./inflate.ts";

/** What a connection reports to the load process. */
export interface Events {
  /** The connection is subscribed. */
  ready(connection: LoadConnection): void;
  /** A delivery has arrived. Compressed deliveries are read only on sample connections. */
  counted(connection: LoadConnection, bytes: number, at: number): void;
  /** A delivery has been read, and its order on the connection is right. */
  read(latencyMicros: number): void;
  /** The server has sent a heartbeat. */
  pinged(): void;
  /** The connection has failed. A failure before `ready` means that the connection was refused. */
  failed(connection: LoadConnection, reason: string): void;
}

// The example key of RFC 6455 §1.3 and its answer. A random key would cost the server the same work.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_END = "\r\n\r\n";

// All sockets read into the same buffer: each chunk is consumed before the next socket reads.
const shared = Buffer.allocUnsafeSlow(256 * 1024); // 256 KiB
const inflateOnce = new InflateOnce();
// All clients get the same compact messages, so each message is decompressed once.
const compactCache = new CompactCache();

export interface Options {
  dialect: Dialect;
  host: string;
  port: number;
  deflate: boolean;
  channels: readonly string[];
  /** Decompress every message of this connection. */
  sample: boolean;
}

export class LoadConnection implements Listener {
  readonly #options: Options;
  readonly #events: Events;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #stream: InflateStream | undefined;
  readonly #compact = new CompactReader(compactCache);
  #head = "";
  #open = false;
  #ready = false;
  #closed = false;
  /** When the chunk with the current message arrived. */
  #receivedAt = 0;
  #seq = 0;
  #lastSentAt = 0;
  /** Deliveries so far. */
  received = 0;
  /** Deliveries that have been read so far. */
  checked = 0;

  constructor(options: Options, events: Events) {
    this.#options = options;
    this.#events = events;
    this.#reader = new FrameReader(this.#frame.bind(this));
    const onread = { buffer: shared, callback: this.#chunk.bind(this) };
    this.#socket = connect({ port: options.port, host: options.host, noDelay: true, onread });
    this.#socket.on("connect", () => this.#socket.write(this.#request()));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => this.failed(error.code ?? error.message));
    this.#socket.on("close", () => this.failed("closed by the server"));
  }

  get channels(): readonly string[] {
    return this.#options.channels;
  }

  /** Messages that are still being decompressed. */
  get pending(): number {
    return this.#stream?.pending ?? 0;
  }

  /** Ends the connection without a closing handshake, and without leaving a socket in TIME_WAIT. */
  abandon(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#socket.resetAndDestroy();
  }

  send(text: string): void {
    this.#socket.write(clientFrame(OPCODE.text, Buffer.from(text)));
  }

  pinged(): void {
    this.#events.pinged();
  }

  failed(reason: string): void {
    if (this.#closed) return;
    this.abandon();
    this.#events.failed(this, reason);
  }

  delivered(sentAt: number, seq: number): void {
    this.checked++;
    const expected = seq === 0 ? 0 : this.#seq + 1;
    // Each message has a later moment than the one before, so duplicates and wrong order show even without a
    // seq.
    if (seq !== expected) this.failed(`seq ${seq} arrived instead of ${expected}`);
    else if (!(sentAt > this.#lastSentAt)) this.failed(`moment ${sentAt} arrived after ${this.#lastSentAt}`);
    else this.#events.read(this.#receivedAt - sentAt);
    this.#seq = seq;
    this.#lastSentAt = sentAt;
  }

  #request(): string {
    const { dialect, host, port, deflate } = this.#options;
    const lines = [
      `GET ${dialect.path} HTTP/1.1`,
      `Host: ${host}:${port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${KEY}`,
    ];
    if (deflate) lines.push("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits");
    return lines.join("\r\n") + HEAD_END;
  }

  #chunk(length: number): boolean {
    this.#receivedAt = moment();
    const chunk = shared.subarray(0, length);
    try {
      if (this.#open) this.#reader.push(chunk);
      else this.#upgrade(chunk);
    } catch (error) {
      this.failed((error as Error).message);
    }
    return true;
  }

  #upgrade(chunk: Buffer): void {
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) return;
    const head = this.#head.slice(0, end);
    const rest = Buffer.from(this.#head.slice(end + HEAD_END.length), "latin1");
    this.#head = "";
    const compressed = /^sec-websocket-extensions: *permessage-deflate(.*)$/im.exec(head);
    const problem = this.#problemOf(head, compressed !== null);
    if (problem !== undefined) {
      this.failed(problem);
      return;
    }
    const keepsContext = compressed !== null && !compressed[1]?.includes("server_no_context_takeover");
    if (keepsContext && this.#options.sample) {
      this.#stream = new InflateStream((error) => this.failed(`inflate: ${error.message}`));
    }
    this.#open = true;
    const first = this.#options.dialect.firstMessage(this.#options.channels);
    if (first !== "") this.send(first);
    if (rest.length > 0) this.#reader.push(rest);
  }

  #problemOf(head: string, compressed: boolean): string | undefined {
    if (!head.startsWith("HTTP/1.1 101")) return head.slice(0, head.indexOf("\r\n"));
    if (!head.includes(ACCEPT)) return "wrong Sec-WebSocket-Accept";
    return compressed === this.#options.deflate
      ? undefined
      : "the server answered the offer of permessage-deflate unexpectedly";
  }

  #frame(opcode: number, compressed: boolean, bytes: Buffer, start: number, end: number, size: number): void {
    if (this.#closed) return;
    if (opcode === OPCODE.binary && this.#options.dialect.compact) this.#packed(bytes, start, end, size);
    else if (opcode === OPCODE.text || opcode === OPCODE.binary) {
      if (this.#ready) this.#message(compressed, bytes, start, end, size);
      else this.#answer(compressed, bytes.subarray(start, end));
    } else if (opcode === OPCODE.ping) {
      this.#socket.write(clientFrame(OPCODE.pong, bytes.subarray(start, end)));
      this.#events.pinged();
    } else if (opcode === OPCODE.close) {
      const code = end - start >= 2 ? bytes.readUInt16BE(start) : 1005;
      this.failed(`closed with ${code} ${bytes.toString("utf8", start + 2, end)}`);
    }
  }

  /** Handles a message that arrives before the subscription is confirmed. */
  #answer(compressed: boolean, payload: Buffer): void {
    this.#stream?.inflate(payload, () => {});
    const text = (compressed ? inflateMessage(payload) : payload).toString();
    const answer = this.#options.dialect.answer(text, this.#options.channels);
    if (answer === READY) {
      this.#ready = true;
      this.#events.ready(this);
    } else if (answer !== undefined) this.send(answer);
  }

  /** Handles a binary message of the compact encoding: an envelope, or a dictionary, which begins with 0. */
  #packed(bytes: Buffer, start: number, end: number, size: number): void {
    if (!this.#options.sample) {
      if (bytes[start] === 0) return;
      this.#count(size);
      // The message is not read. Its seq is assumed to be right.
      this.#seq++;
      return;
    }
    const text = this.#compact.read(bytes.subarray(start, end));
    if (text === undefined) return;
    JSON.parse(text.toString());
    this.#count(size);
    this.#options.dialect.read(text, 0, text.length, this);
  }

  #message(compressed: boolean, bytes: Buffer, start: number, end: number, size: number): void {
    const { dialect, sample } = this.#options;
    if (dialect.compact) return this.failed("the gateway does not use the compact encoding");
    if (dialect.batches) {
      const message = compressed ? inflateOnce.inflate(bytes.subarray(start, end)) : bytes;
      const before = this.checked;
      dialect.read(message, compressed ? 0 : start, compressed ? message.length : end, this);
      for (let left = this.checked - before; left > 0; left--) this.#count(left === 1 ? size : 0);
      return;
    }
    if (!compressed) {
      const before = this.checked;
      dialect.read(bytes, start, end, this);
      // A heartbeat at the message level does not count as a delivery.
      if (this.checked > before) this.#count(size);
      return;
    }
    this.#count(size);
    if (!sample) {
      // The message is not read. Its seq is assumed to be right, so that an uncompressed message may follow.
      this.#seq++;
      return;
    }
    const payload = bytes.subarray(start, end);
    if (this.#stream === undefined) {
      const message = inflateMessage(payload);
      JSON.parse(message.toString());
      dialect.read(message, 0, message.length, this);
      return;
    }
    const receivedAt = this.#receivedAt;
    this.#stream.inflate(payload, (message) => {
      JSON.parse(message.toString());
      this.#receivedAt = receivedAt;
      dialect.read(message, 0, message.length, this);
    });
  }

  #count(size: number): void {
    this.received++;
    this.#events.counted(this, size, this.#receivedAt);
  }
}
