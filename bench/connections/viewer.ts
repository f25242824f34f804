/**
 * One viewer of a load process: connects over a plain socket, subscribes, answers pings, counts messages, and
 * connects again when the connection is lost. Holds as little memory as possible, because one machine has
 * hundreds of thousands of viewers.
 */

import { connect, type Socket } from "node:net";
import { clientFrame, OPCODE, readFrames } from "@odin-ws/loadtest/frame-reader";
import { WS_PATH } from "@odin-ws/protocol";
import { MOMENT_DIGITS, moment } from "../clock.ts";

/** What a viewer reports to its load process. */
export interface Watcher {
  subscribed(viewer: Viewer): void;
  /** The attempt failed, or the connection ended. `retryAfter`: seconds, as the gateway wants it. */
  lost(viewer: Viewer, reason: string, retryAfter: number): void;
  /** A message arrived, with the right number or not. */
  delivered(latencyMicros: number, inOrder: boolean): void;
  pinged(): void;
}

export interface Line {
  port: number;
  localAddress: string;
}

// The example key of RFC 6455 §1.3. A random key would cost the gateway the same work.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HEAD_END = Buffer.from("\r\n\r\n");
const EMPTY_PONG = clientFrame(OPCODE.pong, Buffer.alloc(0));
const ZERO = 0x30;
const COMMA = 0x2c;
/** Only an envelope starts with {"s; other messages start with {"type":". */
const LETTER_S = 0x73;
const SEQ_START = '{"seq":'.length;
const TYPE_START = '{"type":"'.length;
/** The acknowledgement is the only other message to a subscribed viewer that starts with this letter. */
const ACK = Buffer.from("subscription_ack");

/** All sockets read into the same memory: each chunk is handled before the next socket reads. */
const shared = Buffer.allocUnsafeSlow(65_536); // 64 KiB
const requests = new Map<number, string>();

function requestFor(port: number): string {
  let request = requests.get(port);
  if (request === undefined) {
    request = `GET ${WS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`;
    requests.set(port, request);
  }
  return request;
}

type State = "away" | "upgrading" | "subscribing" | "subscribed";

export class Viewer {
  readonly #watcher: Watcher;
  readonly #subscribe: Buffer;
  #socket: Socket | undefined;
  #rest: Buffer | undefined;
  #seq = 0;
  state: State = "away";
  /** Failed attempts since the viewer was subscribed. */
  failures = 0;
  /** Times on the clock of performance.now(), ms. */
  startedAt = 0;
  wantedAt = 0;

  /** @param subscribe the subscription as a frame, which viewers with the same channels share */
  constructor(subscribe: Buffer, watcher: Watcher) {
    this.#subscribe = subscribe;
    this.#watcher = watcher;
  }

  connect({ port, localAddress }: Line): void {
    this.state = "upgrading";
    this.startedAt = performance.now();
    this.#seq = 0;
    this.#rest = undefined;
    const socket: Socket = connect({
      port,
      host: "127.0.0.1",
      localAddress,
      noDelay: true,
      onread: { buffer: shared, callback: (length) => this.#read(socket, length) },
    });
    this.#socket = socket;
    socket.on("connect", () => socket.write(requestFor(port)));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#end(socket, error.code ?? error.message));
    socket.on("close", () => this.#end(socket, "closed"));
  }

  /** Ends the attempt or the connection, without a socket in TIME_WAIT. */
  abandon(reason: string): void {
    if (this.#socket !== undefined) this.#end(this.#socket, reason);
  }

  #end(socket: Socket, reason: string, retryAfter = 0): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
    this.#watcher.lost(this, reason, retryAfter);
  }

  #read(socket: Socket, length: number): boolean {
    if (socket !== this.#socket) return true;
    const chunk = shared.subarray(0, length);
    let bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    if (this.state === "upgrading") {
      const end = bytes.indexOf(HEAD_END);
      if (end === -1) {
        this.#rest = Buffer.from(bytes);
        return true;
      }
      const head = bytes.toString("latin1", 0, end);
      if (!head.startsWith("HTTP/1.1 101")) {
        const [, retryAfter = "0"] = /^retry-after: *(\d+)/im.exec(head) ?? [];
        this.#end(socket, refusalOf(head, bytes.toString("latin1", end + 4)), Number(retryAfter));
        return true;
      }
      this.state = "subscribing";
      socket.write(this.#subscribe);
      bytes = bytes.subarray(end + HEAD_END.length);
    }
    try {
      const used = readFrames(bytes, (opcode, _compressed, _bytes, start, finish) =>
        this.#frame(socket, bytes, opcode, start, finish),
      );
      // The rest is copied, because all viewers share the memory.
      if (used < bytes.length && socket === this.#socket) this.#rest = Buffer.from(bytes.subarray(used));
    } catch (error) {
      this.#end(socket, (error as Error).message);
    }
    return true;
  }

  #frame(socket: Socket, bytes: Buffer, opcode: number, start: number, end: number): void {
    if (socket !== this.#socket) return;
    if (opcode === OPCODE.text) this.#message(bytes, start, end);
    else if (opcode === OPCODE.ping) {
      socket.write(start === end ? EMPTY_PONG : clientFrame(OPCODE.pong, bytes.subarray(start, end)));
      this.#watcher.pinged();
    } else if (opcode === OPCODE.close) {
      this.#end(socket, `close ${end - start >= 2 ? bytes.readUInt16BE(start) : 1005}`);
    }
  }

  #message(bytes: Buffer, start: number, end: number): void {
    if (bytes[start + 2] !== LETTER_S) {
      if (this.state !== "subscribing") return;
      const from = start + TYPE_START;
      if (bytes.compare(ACK, 0, ACK.length, from, Math.min(end, from + ACK.length)) !== 0) return;
      this.state = "subscribed";
      this.failures = 0;
      this.#watcher.subscribed(this);
      return;
    }
    let seq = 0;
    for (let at = start + SEQ_START; bytes[at] !== COMMA && at < end; at++)
      seq = seq * 10 + ((bytes[at] as number) - ZERO);
    // The message's data end with its moment, before }}.
    let sentAt = 0;
    for (let at = end - 2 - MOMENT_DIGITS; at < end - 2; at++)
      sentAt = sentAt * 10 + ((bytes[at] as number) - ZERO);
    this.#watcher.delivered(moment() - sentAt, seq === this.#seq + 1);
    this.#seq = seq;
  }
}

/** `503 handshakes`: the status and the reason of a refusal. */
function refusalOf(head: string, body: string): string {
  const [, status = "no status"] = /^HTTP\/1\.1 (\d+)/.exec(head) ?? [];
  const [, reason] = /"error":"(\w+)"/.exec(body) ?? [];
  return reason === undefined ? status : `${status} ${reason}`;
}
