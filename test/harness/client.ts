/** A client of the gateway that records every message that it receives. */

import {
  type ControlMessage,
  type Envelope,
  isEnvelope,
  type Position,
  type ServerMessage,
  type Welcome,
} from "@odin-ws/protocol";
import { WebSocket } from "ws";
import type { Gateway } from "./gateway.ts";
import type { Answer } from "./http.ts";
import type { Owner } from "./owner.ts";
import { DEADLINE_MS, within } from "./wait.ts";

export interface ConnectOptions {
  /** Token that the client sends as `?auth=`. */
  token?: string;
  headers?: Record<string, string>;
  /** Path of the address. Default `/ws`. */
  path?: string;
  /** Whether the client offers permessage-deflate. Default false. */
  deflate?: boolean;
  /** Whether the client answers pings. Default true. */
  autoPong?: boolean;
}

export interface Closed {
  code: number;
  reason: string;
  /** Date.now() of the close. */
  at: number;
}

type Control<Type> = Extract<ControlMessage, { type: Type }>;

/** Thrown by `connect` when the gateway answers the upgrade with a status other than 101. */
export class Refused extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`refused with ${answer.status}: ${answer.body}`);
    this.answer = answer;
  }
}

export class TestClient {
  readonly socket: WebSocket;
  /**
   * Received messages in order: `texts` as sent, `messages` parsed, `times` when each arrived (Date.now()).
   */
  readonly texts: string[] = [];
  readonly messages: ServerMessage[] = [];
  readonly times: number[] = [];
  readonly closed: Promise<Closed>;
  closedWith: Closed | undefined;
  readonly #changes = new Set<() => void>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data, binary) => {
      if (binary) throw new Error("the gateway sent a binary message");
      const text = String(data);
      this.texts.push(text);
      this.messages.push(JSON.parse(text) as ServerMessage);
      this.times.push(Date.now());
      for (const check of this.#changes) check();
    });
    // A close event follows every error; tests check the code of the close.
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        this.closedWith = { code, reason: String(reason), at: Date.now() };
        resolve(this.closedWith);
        for (const check of this.#changes) check();
      });
    });
  }

  get envelopes(): Envelope[] {
    return this.messages.filter(isEnvelope);
  }

  get welcome(): Welcome {
    const [first] = this.messages;
    if (first === undefined || isEnvelope(first) || first.type !== "welcome") {
      throw new Error(`the first message is not a welcome: ${this.texts[0]}`);
    }
    return first;
  }

  get position(): Position {
    return { epoch: this.welcome.epoch, offset: this.envelopes.at(-1)?.offset ?? this.welcome.offset };
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /**
   * Waits until `find` returns a value other than undefined and false. `find` is called again after every
   * message.
   *
   * @throws Error at once when the connection closes, and when `deadline` ms are over
   */
  async until<T>(
    what: string,
    find: () => T | undefined | false,
    deadline: number = DEADLINE_MS,
  ): Promise<T> {
    let check = () => {};
    const found = new Promise<T>((resolve, reject) => {
      check = () => {
        const value = find();
        if (value !== undefined && value !== false) resolve(value);
        else if (this.closedWith) {
          reject(new Error(`closed with ${this.closedWith.code} while waiting for ${what}; ${this.#last()}`));
        }
      };
    });
    this.#changes.add(check);
    check();
    try {
      return await within(() => `${what}; ${this.#last()}`, found, deadline);
    } finally {
      this.#changes.delete(check);
    }
  }

  /** Waits for the first control message of this type among `messages`, searching from index `from`. */
  control<Type extends ControlMessage["type"]>(
    type: Type,
    from = 0,
    deadline?: number,
  ): Promise<Control<Type>> {
    const is = (message: ServerMessage): message is Control<Type> =>
      !isEnvelope(message) && message.type === type;
    return this.until(type, () => this.messages.slice(from).find(is), deadline);
  }

  /** Sends a message and returns the first control message of this type that arrives afterwards. */
  ask<Type extends ControlMessage["type"]>(message: object, type: Type): Promise<Control<Type>> {
    const from = this.messages.length;
    this.send(message);
    return this.control(type, from);
  }

  subscribe(channels: string[], since?: Position): Promise<Control<"subscription_ack">> {
    return this.ask({ type: "subscribe", channels, ...(since && { since }) }, "subscription_ack");
  }

  /** Sends a message and returns the error that answers it. */
  error(message: object): Promise<Control<"error">> {
    return this.ask(message, "error");
  }

  /** Waits until the connection has received `count` envelopes in total, and returns all of them. */
  async receive(count: number, deadline?: number): Promise<Envelope[]> {
    await this.until(`${count} envelopes`, () => this.envelopes.length >= count, deadline);
    return this.envelopes;
  }

  /** Waits for the envelope with this offset and returns it. */
  at(offset: number, deadline?: number): Promise<Envelope> {
    return this.until(
      `offset ${offset}`,
      () => this.envelopes.findLast((one) => one.offset === offset),
      deadline,
    );
  }

  /** Cuts the connection without a close frame. */
  async drop(): Promise<void> {
    this.socket.terminate();
    await this.ended();
  }

  async close(): Promise<Closed> {
    this.socket.close(1000);
    return this.ended();
  }

  /** Waits until either side has closed the connection. */
  ended(deadline?: number): Promise<Closed> {
    return within(() => `close; ${this.#last()}`, this.closed, deadline);
  }

  #last(): string {
    const last = this.texts.slice(-4).map((text) => text.slice(0, 200));
    return `${this.texts.length} messages, last ${last.join(" ")}`;
  }
}

/** Connects and waits for the welcome. @throws Refused */
export async function connect(
  owner: Owner,
  gateway: Pick<Gateway, "wsPort"> & Partial<Pick<Gateway, "host">>,
  options: ConnectOptions = {},
): Promise<TestClient> {
  const { token, headers = {}, path = "/ws", deflate = false, autoPong = true } = options;
  const query = token === undefined ? "" : `?auth=${encodeURIComponent(token)}`;
  const socket = new WebSocket(`ws://${gateway.host ?? "127.0.0.1"}:${gateway.wsPort}${path}${query}`, {
    headers,
    perMessageDeflate: deflate,
    autoPong,
  });
  const client = new TestClient(socket);
  owner.after(() => socket.terminate());
  const refused = new Promise<never>((_, reject) => {
    socket.once("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += chunk;
      });
      response.once("close", () => {
        reject(new Refused({ status: response.statusCode ?? 0, headers: response.headers, body }));
        socket.terminate();
      });
    });
  });
  refused.catch(() => {});
  await Promise.race([client.until("welcome", () => client.messages.length > 0), refused]);
  return client;
}

/** Returns the answer with which the gateway refuses the connection. Fails when the gateway accepts it. */
export async function refusal(
  owner: Owner,
  gateway: Pick<Gateway, "wsPort">,
  options: ConnectOptions = {},
): Promise<Answer> {
  try {
    await connect(owner, gateway, options);
  } catch (error) {
    if (error instanceof Refused) return error.answer;
    throw error;
  }
  throw new Error("the gateway accepted the connection");
}
