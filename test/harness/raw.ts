/**
 * A WebSocket client without a library, for bytes that a library never sends and for details that it hides.
 */

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { inflateRawSync, constants as zlib } from "node:zlib";
import type { Gateway } from "./gateway.ts";
import type { Owner } from "./owner.ts";
import { DEADLINE_MS, eventually, within } from "./wait.ts";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  fin: boolean;
  /** RSV1: the message is compressed. */
  rsv1: boolean;
  opcode: number;
  payload: Buffer;
  /** Size of the whole frame on the wire, in bytes. */
  wireBytes: number;
}

export interface FrameOptions {
  opcode?: number;
  fin?: boolean;
  mask?: boolean;
  /** RSV bits of the first byte: 4 is RSV1, 2 is RSV2, 1 is RSV3. */
  rsv?: number;
}

/** Encodes one frame as a client does: masked, unless `mask` is false. */
export function frame(payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { opcode = OPCODE.text, fin = true, mask = true, rsv = 0 } = options;
  const data = Buffer.from(payload);
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  const flag = mask ? 0x80 : 0;
  let head: Buffer;
  if (data.length < 126) {
    head = Buffer.from([first, flag | data.length]);
  } else if (data.length < 65_536) {
    head = Buffer.from([first, flag | 126, 0, 0]);
    head.writeUInt16BE(data.length, 2);
  } else {
    head = Buffer.from([first, flag | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeBigUInt64BE(BigInt(data.length), 2);
  }
  if (!mask) return Buffer.concat([head, data]);
  const key = randomBytes(4);
  for (let index = 0; index < data.length; index++) data[index] = (data[index] ?? 0) ^ (key[index % 4] ?? 0);
  return Buffer.concat([head, key, data]);
}

/**
 * The text of a compressed message.
 *
 * @throws Error when the message refers back further than a window of `windowBits` allows
 */
export function inflate(payload: Buffer, windowBits = 15): string {
  // zlib uses its window only between chunks of output, and only then notices a distance beyond the window.
  // Small chunks make zlib notice every such distance.
  const options = { windowBits, chunkSize: 64, finishFlush: zlib.Z_SYNC_FLUSH };
  return inflateRawSync(Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]), options).toString();
}

export class RawClient {
  readonly socket: Socket;
  /** Status line and headers of the answer to the upgrade; empty until they are complete. */
  head = "";
  readonly frames: Frame[] = [];
  /** Date.now() when the connection was made and when it ended. */
  readonly openedAt = Date.now();
  closedAt: number | undefined;
  readonly closed: Promise<void>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => this.#take(chunk));
    this.closed = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.closedAt = Date.now();
        resolve();
      });
    });
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.head)?.[1] ?? 0);
  }

  /** Value of a header of the answer; "" when the answer lacks the header. */
  header(name: string): string {
    return new RegExp(`^${name}: *(.*)$`, "im").exec(this.head)?.[1]?.trim() ?? "";
  }

  write(data: Buffer | string): void {
    if (!this.socket.destroyed) this.socket.write(data);
  }

  send(message: object): void {
    this.write(frame(JSON.stringify(message)));
  }

  /** Code of the server's close frame; undefined until the server sends one. */
  get closeCode(): number | undefined {
    const close = this.frames.find(({ opcode }) => opcode === OPCODE.close);
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
  }

  /** Waits for the server's close frame and returns its code. */
  async closeCodeWithin(deadline: number = DEADLINE_MS): Promise<number> {
    return eventually("close frame", () => this.closeCode, deadline);
  }

  /**
   * Texts of all text messages so far. Inflates compressed messages with a window of `windowBits`, by default
   * 15.
   */
  texts(windowBits?: number): string[] {
    return this.frames
      .filter(({ opcode }) => opcode === OPCODE.text)
      .map(({ rsv1, payload }) => (rsv1 ? inflate(payload, windowBits) : payload.toString()));
  }

  /** Waits until the connection has received `count` text frames in total, and returns all of them. */
  async receive(count: number, deadline?: number): Promise<Frame[]> {
    return eventually(
      () => `${count} text frames, have ${this.frames.length}`,
      () => {
        const texts = this.frames.filter(({ opcode }) => opcode === OPCODE.text);
        return texts.length >= count && texts;
      },
      deadline,
    );
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.head === "") {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end === -1) return;
      this.head = this.#rest.toString("latin1", 0, end);
      this.#rest = this.#rest.subarray(end + 4);
    }
    if (this.status !== 101) return;
    for (;;) {
      const one = decode(this.#rest);
      if (one === undefined) return;
      this.frames.push(one);
      this.#rest = this.#rest.subarray(one.wireBytes);
    }
  }
}

function decode(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  if ((second & 0x80) !== 0) throw new Error("the gateway masked a frame");
  if ((first & 0x30) !== 0) throw new Error("the gateway set RSV2 or RSV3");
  let length = second & 0x7f;
  let start = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    start = 4;
    if (length < 126) throw new Error("the gateway did not use the shortest length");
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    start = 10;
    if (length < 65_536) throw new Error("the gateway did not use the shortest length");
  }
  if (bytes.length < start + length) return undefined;
  return {
    fin: (first & 0x80) !== 0,
    rsv1: (first & 0x40) !== 0,
    opcode: first & 0x0f,
    payload: Buffer.from(bytes.subarray(start, start + length)),
    wireBytes: start + length,
  };
}

export interface UpgradeOptions {
  path?: string;
  headers?: Record<string, string>;
}

/** The text of an upgrade request. `headers` replace or add headers; an empty value omits the header. */
export function upgradeRequest({ path = "/ws", headers = {} }: UpgradeOptions = {}): string {
  const all: Record<string, string> = {
    Host: "localhost",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : [`${name}: ${value}`]));
  return `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** Opens a TCP connection to the gateway and sends nothing. */
export function rawConnect(owner: Owner, gateway: Gateway): RawClient {
  const client = new RawClient(gateway.wsPort);
  owner.after(() => {
    client.socket.destroy();
  });
  return client;
}

/**
 * Connects, sends an upgrade request and waits for an answer with any status, or for the end of the
 * connection.
 */
export async function rawUpgrade(
  owner: Owner,
  gateway: Gateway,
  options?: UpgradeOptions,
): Promise<RawClient> {
  const client = rawConnect(owner, gateway);
  client.write(upgradeRequest(options));
  await Promise.race([
    eventually("answer to the upgrade", () => client.head !== ""),
    within("answer to the upgrade", client.closed),
  ]);
  return client;
}
