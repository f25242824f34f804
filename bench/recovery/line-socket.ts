/**
 * A WebSocket on a line, for the client library: as much of the protocol as the library uses. The WebSocket
 * of Node needs several times the CPU, and the bench has 10,000 clients and two cores.
 */

import type { Socket as NetSocket } from "node:net";
import type { Environment } from "@odin-ws/client";
import { clientFrame, FrameReader, OPCODE } from "@odin-ws/loadtest/frame-reader";
import type { Line } from "./line.ts";

type LibrarySocket = ReturnType<Environment["open"]>;

// The example key of RFC 6455 §1.3. A random key would cost the server the same work.
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HEAD_END = "\r\n\r\n";
const NO_FRAME = 1006;

// All sockets read into the same buffer: each chunk is consumed before the next socket reads.
const shared = Buffer.allocUnsafeSlow(256 * 1024); // 256 KiB

export class LineSocket implements LibrarySocket {
  onmessage: LibrarySocket["onmessage"] = null;
  onclose: LibrarySocket["onclose"] = null;
  onerror: LibrarySocket["onerror"] = null;
  readonly #socket: NetSocket;
  readonly #reader: FrameReader;
  readonly #path: string;
  #head = "";
  #isOpen = false;
  #isClosed = false;

  constructor(line: Line, url: string) {
    const { pathname, search } = new URL(url);
    this.#path = pathname + search;
    this.#reader = new FrameReader(this.#frame.bind(this));
    const onread = { buffer: shared, callback: this.#chunk.bind(this) };
    this.#socket = line.dial({ onread });
    this.#socket.on("connect", () => this.#upgrade());
    this.#socket.on("error", () => {}); // `close` follows
    this.#socket.on("close", () => this.#end(NO_FRAME, ""));
  }

  send(text: string): void {
    if (this.#isOpen) this.#socket.write(clientFrame(OPCODE.text, Buffer.from(text)));
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.resetAndDestroy();
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.destroy();
    this.onclose?.({ code, reason });
  }

  #upgrade(): void {
    const lines = [
      `GET ${this.#path} HTTP/1.1`,
      "Host: 127.0.0.1",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${KEY}`,
    ];
    this.#socket.write(lines.join("\r\n") + HEAD_END);
  }

  #chunk(length: number): boolean {
    if (this.#isClosed) return true;
    const chunk = shared.subarray(0, length);
    if (this.#isOpen) this.#reader.push(chunk);
    else this.#answer(chunk);
    return true;
  }

  /** Reads the answer to the upgrade. */
  #answer(chunk: Buffer): void {
    this.#head += chunk.toString("latin1");
    const end = this.#head.indexOf(HEAD_END);
    if (end === -1) return;
    if (!this.#head.startsWith("HTTP/1.1 101")) return this.#end(NO_FRAME, "");
    const rest = Buffer.from(this.#head.slice(end + HEAD_END.length), "latin1");
    this.#head = "";
    this.#isOpen = true;
    if (rest.length > 0) this.#reader.push(rest);
  }

  #frame(opcode: number, _compressed: boolean, bytes: Buffer, start: number, end: number): void {
    if (this.#isClosed) return;
    if (opcode === OPCODE.text) this.onmessage?.({ data: bytes.toString("utf8", start, end) });
    else if (opcode === OPCODE.ping) this.#socket.write(clientFrame(OPCODE.pong, bytes.subarray(start, end)));
    else if (opcode === OPCODE.close) {
      const code = end - start >= 2 ? bytes.readUInt16BE(start) : 1005;
      // ws answers a close frame, and the server then ends the connection.
      this.#socket.write(clientFrame(OPCODE.close, bytes.subarray(start, Math.min(start + 2, end))));
      this.#end(code, bytes.toString("utf8", start + 2, end));
    }
  }
}
