/** One WebSocket of a client, straight on its socket: upgrade, frames, pings. Knows nothing of what the messages say. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { constants, inflateRawSync } from "node:zlib";
import { clientFrame, FrameReader, OPCODE } from "./frame-reader.ts";

export interface LinkEvents {
  /** A text message; `bytes` is reused after the call. */
  text(bytes: Buffer, start: number, end: number): void;
  /** Called once. */
  ended(end: LinkEnd): void;
}

export interface LinkEnd {
  /** Close code, 1006 when there was none; 0 before it was open. */
  code: number;
  /** For people: `503 cpu`, `ECONNRESET`, `closed with 1012 restart`. */
  reason: string;
  /** What a refusal asked for, ms. */
  retryAfterMs?: number;
}

export interface LinkOptions {
  url: URL;
  /** Path and query. */
  path: string;
  localAddress: string | undefined;
  compression: boolean;
}

// RFC 6455 §1.3: the example's key and its answer. The gateway has the same work with any.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HEAD_END = "\r\n\r\n";
const MAX_HEAD = 16_384; // bytes
const OPEN_TIMEOUT = 30_000; // 30 s until the upgrade is answered
// The empty block that ends a sync flush and is not sent.
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const NORMAL_CLOSE = clientFrame(OPCODE.close, Buffer.from([0x03, 0xe8]));

// Every socket reads into the same memory: what is in it is used up before the next socket's turn.
const shared = Buffer.allocUnsafeSlow(256 * 1024); // 256 KiB

function open({ url, localAddress }: LinkOptions, onChunk: (chunk: Buffer) => void): Socket {
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

export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #head = "";
  #open = false;
  #ended = false;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#reader = new FrameReader(this.#frame.bind(this));
    const socket = open(options, this.#chunk.bind(this));
    this.#socket = socket;
    socket.once(options.url.protocol === "wss:" ? "secureConnect" : "connect", () => {
      socket.write(this.#request());
    });
    socket.setTimeout(OPEN_TIMEOUT, () => this.#end(0, "no answer within 30 s"));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      this.#end(this.#open ? 1006 : 0, error.code ?? error.message),
    );
    socket.on("close", () => this.#end(this.#open ? 1006 : 0, "the connection broke"));
  }

  get ended(): boolean {
    return this.#ended;
  }

  send(message: object): void {
    if (!this.#ended) this.#socket.write(clientFrame(OPCODE.text, Buffer.from(JSON.stringify(message))));
  }

  /** Begins the closing handshake; `ended` follows. */
  close(): void {
    if (!this.#ended) this.#socket.write(NORMAL_CLOSE);
  }

  /** Breaks it without a handshake, as a network does; no `ended` follows. */
  cut(): void {
    this.#ended = true;
    if (this.#open && "resetAndDestroy" in this.#socket && this.#options.url.protocol === "ws:")
      this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  /** Stops or goes on reading. */
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
      this.#end(1002, `broken protocol: ${(error as Error).message}`);
    }
  }

  #upgrade(chunk: Buffer): void {
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) {
      if (this.#head.length > MAX_HEAD) this.#end(0, "an answer without end");
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
      this.#end(0, "wrong Sec-WebSocket-Accept");
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
    } else if (opcode === OPCODE.ping) {
      this.#socket.write(clientFrame(OPCODE.pong, bytes.subarray(start, end)));
    } else if (opcode === OPCODE.close) {
      const code = end - start >= 2 ? bytes.readUInt16BE(start) : 1005;
      this.#socket.write(clientFrame(OPCODE.close, bytes.subarray(start, Math.min(start + 2, end))));
      this.#end(code, `closed with ${code} ${bytes.toString("utf8", start + 2, end)}`.trim());
    } else if (opcode !== OPCODE.pong) throw new Error(`opcode ${opcode}`);
  }
}
