/** One client of `GET /events`: a stream of server-sent events, for clients that have no WebSockets. */

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { CLOSE } from "@odin-ws/protocol";
import type { Message } from "../delivery/message.ts";
import type { Subscriber, Topic } from "../delivery/topic.ts";
import type { Identity } from "../entrance/auth.ts";
import { type Ending, NO_CODE, NO_FRAME } from "../entrance/client-socket.ts";

export interface EventStreamOptions {
  id: string;
  response: ServerResponse;
  identity: Identity | undefined;
  address: string | undefined;
  epoch: string;
  /** Bytes that may wait for a client that reads slowly. */
  sendBufferBytes: number;
  /** Time of the request on the steady clock, seconds. */
  second: number;
  /** Called with the bytes of each event that carries a message. */
  onSent: (bytes: number) => void;
}

export class EventStream implements Subscriber {
  readonly id: string;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly identity: Identity | undefined;
  readonly openedAt: number;
  readonly transport = "events";
  /** Counts what was written since the request: the connection may have carried polls before. */
  readonly socket: { readonly bytesWritten: number };
  /** Resolves when nothing is left of the stream. */
  readonly ended: Promise<void>;
  topics: Topic[] = [];
  deliveries = 0;
  /** What came first: the gateway or the client ended the stream, or the connection broke. */
  #ending: Ending | undefined;
  #closing = false;
  /** Overlapping patterns bring the same message more than once. */
  #lastOffset = 0;
  readonly #options: EventStreamOptions;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.id = options.id;
    this.user = options.identity?.user;
    this.address = options.address;
    this.identity = options.identity;
    this.openedAt = options.second;
    const socket = options.response.socket as Socket;
    const before = socket.bytesWritten;
    this.socket = {
      get bytesWritten() {
        return socket.bytesWritten - before;
      },
    };
    socket.once("end", () => {
      this.#ending ??= { code: NO_CODE, reason: "", by: "client" };
    });
    socket.once("error", ({ code, message }: NodeJS.ErrnoException) => {
      this.#ending ??= { code: NO_FRAME, reason: code ?? message, by: "network" };
    });
    this.ended = new Promise((resolve) => {
      options.response.once("close", resolve);
    });
  }

  /** How the stream ended. */
  ending(): Ending {
    return this.#ending ?? { code: NO_FRAME, reason: "", by: "network" };
  }

  get closing(): boolean {
    return this.#closing;
  }

  deliver(message: Message): boolean {
    if (message.offset === this.#lastOffset || this.closing) return false;
    this.#lastOffset = message.offset;
    const { response, sendBufferBytes } = this.#options;
    if (response.writableLength + message.bytes > sendBufferBytes && response.writableLength > 0) {
      // The client comes back with the id of the last event that it has read, and gets the rest.
      this.close(CLOSE.policy, "too slow");
      return false;
    }
    this.send(message);
    return true;
  }

  /** Sends a message, also an older one. */
  send(message: Message): void {
    const { response, epoch, onSent } = this.#options;
    this.deliveries++;
    const text = `id: ${epoch}:${message.offset}\ndata: {${message.shared}\n\n`;
    response.write(text);
    onSent(text.length);
  }

  /** A client whose message was shed resumes without it: this stream ends, and the next one asks for it. */
  shed(): void {
    this.close(CLOSE.policy, "messages were dropped");
  }

  /** Streams subscribe without a rate, so this is not called. */
  limited(message: Message): boolean {
    return this.deliver(message);
  }

  /** Sends an event with a name. `offset` becomes the position from which the client resumes. */
  event(name: string, data: object, offset: number): void {
    const { response, epoch } = this.#options;
    response.write(`id: ${epoch}:${offset}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** The client has everything up to this offset. An id without data changes no more than the position. */
  position(offset: number): void {
    if (this.closing) return;
    const { response, epoch } = this.#options;
    response.write(`id: ${epoch}:${offset}\n\n`);
  }

  /** Asks the client to come back after this time when the stream ends. */
  retryAfter(ms: number): void {
    this.#options.response.write(`retry: ${ms}\n\n`);
  }

  close(code: number, reason: string): void {
    if (this.closing) return;
    this.#closing = true;
    this.#ending ??= { code, reason, by: "gateway" };
    const { response } = this.#options;
    if (response.writableLength > 0) response.destroy();
    else response.end();
  }

  terminate(reason: string): void {
    this.#closing = true;
    this.#ending ??= { code: NO_FRAME, reason, by: "gateway" };
    this.#options.response.destroy();
  }

  /** Resolves with whether the client still reads: a broken line does not take bytes. */
  async probe(waitMs: number): Promise<boolean> {
    if (!this.closing) this.#options.response.write(":\n\n"); // a comment
    await new Promise((resolve) => setTimeout(resolve, waitMs).unref());
    return !this.closing && this.#options.response.writableLength === 0;
  }
}
