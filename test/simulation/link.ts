/** One connection between a client and a gateway: both ends of a WebSocket, and the network between them. */

import { EventEmitter } from "node:events";
import type { Socket as NetSocket } from "node:net";
import type { Environment } from "@odin-ws/client";
import { FrameReader, OPCODE } from "../../loadtest/src/client/frame-reader.ts";
import { FakeSocket } from "../../server/src/connection/fake-socket.fixture.ts";
import type { ClientSocket, SocketHandler } from "../../server/src/entrance/client-socket.ts";
import type { SimClock } from "./clock.ts";

type LibrarySocket = ReturnType<Environment["open"]>;

const NO_FRAME = 1006;
const CLOSE_TIMEOUT_MS = 5000;
const MAX_LATENCY_MS = 20;

/** The client's end. */
export class ClientEnd implements LibrarySocket {
  onmessage: LibrarySocket["onmessage"] = null;
  onclose: LibrarySocket["onclose"] = null;
  onerror: LibrarySocket["onerror"] = null;
  link: Link | undefined;

  send(text: string): void {
    this.link?.up((gateway) => gateway.receive(text));
  }

  close(): void {
    this.link?.up((gateway) => gateway.ended(1005));
    if (this.link !== undefined) this.link.clientGone = true;
  }
}

/** The gateway's end: what `Connection` uses of a WebSocket and of its socket. */
class GatewayEnd extends EventEmitter {
  readonly deflateWindowBits = 0;
  readonly socket: ReportingSocket;
  readonly #link: Link;
  #handler: SocketHandler | undefined;
  #closing = false;
  #code = NO_FRAME;

  constructor(link: Link) {
    super();
    this.#link = link;
    this.socket = new ReportingSocket((bytes) => link.down(bytes));
  }

  setHandler(handler: SocketHandler): void {
    this.#handler = handler;
  }

  receive(text: string): void {
    if (this.#closing) return;
    this.#handler?.markAlive();
    this.#handler?.handle(text);
  }

  pong(): void {
    this.#handler?.markAlive();
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#code = code;
    this.#handler?.detach();
    if (this.socket.writableLength === 0) this.#link.closeClient(code, reason);
    // A client that does not read does not see the close frame.
    else this.#link.clock.after(CLOSE_TIMEOUT_MS, () => this.#link.cut());
  }

  cut(): void {
    this.#link.cut();
  }

  terminate(): void {
    this.#link.cut();
  }

  /** The connection is gone. */
  ended(code: number): void {
    if (this.#link.gatewayGone) return;
    this.#link.gatewayGone = true;
    this.#closing = true;
    this.emit("close", code);
  }

  ending(code: number) {
    return { code: this.#code === NO_FRAME ? code : this.#code, reason: "", by: "gateway" as const };
  }
}

class ReportingSocket extends FakeSocket {
  readonly #report: (bytes: Buffer) => void;

  constructor(report: (bytes: Buffer) => void) {
    super();
    this.#report = report;
  }

  protected override take(bytes: Buffer): void {
    this.#report(bytes);
  }
}

/** What a gateway gets of a client. */
export interface Arrival {
  ws: ClientSocket;
  socket: NetSocket;
}

export class Link {
  readonly clock: SimClock;
  /** The address that the client has opened. */
  readonly url: string;
  clientGone = false;
  gatewayGone = false;
  readonly #client: ClientEnd;
  readonly #gateway: GatewayEnd;
  readonly #random: () => number;
  readonly #reader: FrameReader;
  /** Nothing arrives any more, in either direction, and nobody notices. */
  #isDead = false;
  /** Nothing arrives before this time. */
  #stalledUntil = 0;
  #downAt = 0;
  #upAt = 0;

  constructor(clock: SimClock, url: string, client: ClientEnd, random: () => number) {
    this.clock = clock;
    this.url = url;
    this.#client = client;
    this.#random = random;
    this.#gateway = new GatewayEnd(this);
    this.#reader = new FrameReader((opcode, _, bytes, start, end) => {
      if (opcode === OPCODE.text) client.onmessage?.({ data: bytes.toString("utf8", start, end) });
      else if (opcode === OPCODE.binary)
        client.onmessage?.({ data: Uint8Array.from(bytes.subarray(start, end)).buffer });
      else if (opcode === OPCODE.ping) this.up((gateway) => gateway.pong());
    });
    client.link = this;
  }

  get arrival(): Arrival {
    const { socket } = this.#gateway;
    return { ws: this.#gateway as unknown as ClientSocket, socket: socket as unknown as NetSocket };
  }

  /** Bytes on their way to the client, in order. */
  down(bytes: Buffer): void {
    this.#toClient(() => this.#reader.push(bytes));
  }

  /** Something on its way to the gateway, in order. */
  up(arrive: (gateway: GatewayEnd) => void): void {
    this.#upAt = this.#arrival(this.#upAt);
    this.clock.after(this.#upAt - this.clock.now, () => {
      if (!this.#isDead && !this.gatewayGone) arrive(this.#gateway);
    });
  }

  closeClient(code: number, reason: string): void {
    this.#toClient(() => {
      this.clientGone = true;
      this.#client.onclose?.({ code, reason });
      this.up((gateway) => gateway.ended(code));
    });
  }

  /** The connection breaks. What is on its way is lost, and both ends notice. */
  cut(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.clock.after(this.#latency(), () => {
      if (!this.clientGone) this.#client.onclose?.({ code: NO_FRAME, reason: "" });
      this.clientGone = true;
    });
    this.clock.after(this.#latency(), () => this.#gateway.ended(NO_FRAME));
  }

  /** The connection breaks, and nobody notices. */
  die(): void {
    this.#isDead = true;
  }

  /** What is on its way arrives after this time, together. */
  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.clock.now + ms);
  }

  /** The client takes no bytes for this time. */
  blockReading(ms: number): void {
    const { socket } = this.#gateway;
    socket.room = 0;
    this.clock.after(ms, () => socket.read());
  }

  #toClient(arrive: () => void): void {
    this.#downAt = this.#arrival(this.#downAt);
    this.clock.after(this.#downAt - this.clock.now, () => {
      if (!this.#isDead && !this.clientGone) arrive();
    });
  }

  #arrival(before: number): number {
    return Math.max(before, this.#stalledUntil, this.clock.now + this.#latency());
  }

  #latency(): number {
    return 1 + Math.floor(this.#random() * MAX_LATENCY_MS);
  }
}
