/** A minimal WebSocket client on a TCP or TLS socket: upgrade, frames, pings. Does not read the messages. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { constants, inflateRawSync } from "node:zlib";
import { type CompactCache, CompactReader } from "./compact-reader.ts";
import { clientFrame, FrameReader, OPCODE } from "./frame-reader.ts";

export interface ConnectionEvents {
  /** A text message; `bytes` is reused after the call. */
  text(bytes: Buffer, start: number, end: number): void;
  /** The connection ended, or was never established. Called once. */
  ended(end: ConnectionEnd): void;
}

export interface ConnectionEnd {
  /** Close code; 1006 when the connection broke without one; 0 when it was never established. */
  code: number;
  /** Text for people, such as `503 cpu`, `ECONNRESET`, `closed with 1012 restart`. */
  reason: string;
  /** `Retry-After` of a refusal, ms. */
  retryAfterMs?: number;
}

export interface ConnectionOptions {
  url: URL;
  /** Path and query. */
  path: string;
  localAddress: string | undefined;
  compression: boolean;
  /** Set for a client that asks for the compact encoding. */
  compact?: CompactCache | undefined;
}

// The example key of RFC 6455 §1.3 and its answer. A random key would cost the gateway the same work.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_END = "\r\n\r\n";
const MAX_HEAD = 16_384; // bytes
const OPEN_TIMEOUT_MS = 30_000; // 30 s for the answer to the upgrade
// The empty block at the end of a sync flush. permessage-deflate leaves these bytes out (RFC 7692 §7.2.1).
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const NORMAL_CLOSE = clientFrame(OPCODE.close, Buffer.from([0x03, 0xe8]));

// All sockets read into the same buffer: each chunk is consumed before the next socket reads.
const shared = Buffer.allocUnsafeSlow(256 * 1024); // 256 KiB

function open({ url, localAddress }: ConnectionOptions, onChunk: (chunk: Buffer) => void): Socket {
  const secure = url.protocol === "wss:";
  const host = url.hostname === "localhost" ? "127.0.0.1" : url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port) || (secure ? 443 : 80);
  const local = localAddress === undefined ? {} : { localAddress };
  if (secure) {
    const socket = connectTls({ host, port, servername: url.hostname, ...local });
    socket.on("data", onChunk);
    return socket;
  }
  const callback = (length: number) => {
    onChunk(shared.subarray(0, length));
    return true;
  };
  return connect({ host, port, noDelay: true, onread: { buffer: shared, callback }, ...local });
}

export class WsConnection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #compact: CompactReader | undefined;
  #head = "";
  #open = false;
  #ended = false;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#compact = options.compact && new CompactReader(options.compact);
    this.#reader = new FrameReader(this.#frame.bind(this));
    const socket = open(options, this.#chunk.bind(this));
    this.#socket = socket;
    socket.once(options.url.protocol === "wss:" ? "secureConnect" : "connect", () => {
      socket.write(this.#request());
    });
    socket.setTimeout(OPEN_TIMEOUT_MS, () => this.#end(0, "no answer to the upgrade within 30 s"));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#end(this.#open ? 1006 : 0, error.code ?? error.message),
    );
    socket.on("close", () => this.#end(this.#open ? 1006 : 0, "the connection broke without a close frame"));
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(message: object): void {
    if (!this.#ended) this.#socket.write(clientFrame(OPCODE.text, Buffer.from(JSON.stringify(message))));
  }

  /** Starts the closing handshake; `ended` follows. */
  close(): void {
    if (!this.#ended) this.#socket.write(NORMAL_CLOSE);
  }

  /** Breaks the connection without a closing handshake, like a network failure; no `ended` follows. */
  abort(): void {
    this.#ended = true;
    if (this.#open && "resetAndDestroy" in this.#socket && this.#options.url.protocol === "ws:")
      this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Stops or resumes reading. */
  set reading(reading: boolean) {
    if (reading) this.#socket.resume();
    else this.#socket.pause();
  }

  #end(code: number, reason: string, retryAfterMs?: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    this.#events.ended({ code, reason, ...(retryAfterMs !== undefined && { retryAfterMs }) });
  }

  #request(): string {
    const { url, path, compression } = this.#options;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${url.host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${KEY}`,
    ];
    if (compression) lines.push("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits");
    return lines.join("\r\n") + HEAD_END;
  }

  #chunk(chunk: Buffer): void {
    if (this.#ended) return;
    try {
      if (this.#open) this.#reader.push(chunk);
      else this.#upgrade(chunk);
    } catch (error) {
      this.#end(1002, `protocol error: ${(error as Error).message}`);
    }
  }

  #upgrade(chunk: Buffer): void {
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) {
      if (this.#head.length > MAX_HEAD) this.#end(0, "the answer to the upgrade has no end");
      return;
    }
    const head = this.#head.slice(0, end);
    const body = this.#head.slice(end + HEAD_END.length);
    this.#head = "";
    if (!/^HTTP\/1\.1 101 /.test(head)) {
      const status = head.slice(9, 12);
      const [, reason = ""] = /"error":"([^"]*)"/.exec(body) ?? [];
      const [, seconds] = /^retry-after: *(\d+)/im.exec(head) ?? [];
      this.#end(0, `${status} ${reason}`.trim(), seconds === undefined ? undefined : Number(seconds) * 1000);
      return;
    }
    if (!head.includes(ACCEPT)) {
      this.#end(0, "the upgrade was answered with a wrong Sec-WebSocket-Accept");
      return;
    }
    this.#open = true;
    this.#socket.setTimeout(0);
    if (body !== "" && !this.#ended) this.#reader.push(Buffer.from(body, "latin1"));
  }

  #frame(opcode: number, compressed: boolean, bytes: Buffer, start: number, end: number): void {
    if (this.#ended) return;
    if (opcode === OPCODE.text) {
      if (!compressed) this.#events.text(bytes, start, end);
      else {
        const packed = Buffer.concat([bytes.subarray(start, end), TAIL]);
        const message = inflateRawSync(packed, { finishFlush: constants.Z_SYNC_FLUSH });
        this.#events.text(message, 0, message.length);
      }
    } else if (opcode === OPCODE.binary && this.#compact !== undefined) {
      const message = this.#compact.read(bytes.subarray(start, end));
      if (message !== undefined) this.#events.text(message, 0, message.length);
    } else if (opcode === OPCODE.ping) {
      this.#socket.write(clientFrame(OPCODE.pong, bytes.subarray(start, end)));
    } else if (opcode === OPCODE.close) {
      const code = end - start >= 2 ? bytes.readUInt16BE(start) : 1005;
      this.#socket.write(clientFrame(OPCODE.close, bytes.subarray(start, Math.min(start + 2, end))));
      this.#end(code, `closed with ${code} ${bytes.toString("utf8", start + 2, end)}`.trim());
    } else if (opcode !== OPCODE.pong) throw new Error(`unknown opcode ${opcode}`);
  }
}
