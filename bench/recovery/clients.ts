/** The clients of the bench: each one is the peer's own client library on a line. */

import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import { connect, type Environment } from "@odin-ws/client";
import { fallback } from "@odin-ws/client/fallback";
import { io } from "socket.io-client";
import type { Line } from "./line.ts";
import { fetchOver } from "./line-fetch.ts";
import { LineSocket } from "./line-socket.ts";
import type { ClientName } from "./load-messages.ts";

export interface ClientEvents {
  /** The server has confirmed the subscription on a new connection. */
  subscribed(): void;
  /** The connection has ended, or an attempt has failed. */
  ended(): void;
  message(n: number): void;
  heartbeat(): void;
  /** The client receives over HTTP. */
  fellBack(): void;
}

export interface ClientOptions {
  /** The client may receive over HTTP. Only for odin-ws. */
  fallback: boolean;
}

export type MakeClient = (line: Line, channel: string, events: ClientEvents, options: ClientOptions) => void;

type LibrarySocket = ReturnType<Environment["open"]>;

const ACKNOWLEDGED = '{"type":"subscription_ack"';
const HEARTBEAT = '{"type":"heartbeat"';
/** `status.gateway` of a client that receives over HTTP. */
const OVER_HTTP = "http";

/** Reports what the library does not: the answers to its requests, over a WebSocket or over HTTP. */
class ReportingSocket implements LibrarySocket {
  onmessage: LibrarySocket["onmessage"] = null;
  onclose: LibrarySocket["onclose"] = null;
  onerror: LibrarySocket["onerror"] = null;
  readonly #inner: LibrarySocket;
  readonly #events: ClientEvents;

  constructor(inner: LibrarySocket, events: ClientEvents) {
    this.#inner = inner;
    this.#events = events;
    inner.onmessage = (event) => {
      this.onmessage?.(event);
      if ((event.data as string).startsWith(ACKNOWLEDGED)) events.subscribed();
    };
    inner.onclose = (event) => this.onclose?.(event);
    inner.onerror = (event) => this.onerror?.(event);
  }

  send(text: string): void {
    if (text.startsWith(HEARTBEAT)) this.#events.heartbeat();
    this.#inner.send(text);
  }

  close(): void {
    this.#inner.close();
  }
}

/** The client library of this repository. */
const odin: MakeClient = (line, channel, events, options) => {
  const send = fetchOver(line);
  const client = connect("ws://127.0.0.1/ws", {
    fallback: (environment) => {
      if (options.fallback) fallback({ fetch: send })(environment);
      const { open } = environment;
      environment.open = (url) => new ReportingSocket(open(url), events);
    },
    environment: {
      open: (url) => new LineSocket(line, url),
      fetch: send,
      window: undefined,
      navigator: undefined,
      document: undefined,
    },
  });
  client.subscribe<{ n: number }>(channel, ({ data }) => events.message(data.n));
  client.on("status", ({ state, gateway }) => {
    if (state === "waiting") events.ended();
    if (state === "open" && gateway === OVER_HTTP) events.fellBack();
  });
};

/** Connections of one client of Socket.IO on its line. */
class LineAgent extends Agent {
  readonly #line: Line;

  constructor(line: Line) {
    super({ keepAlive: false });
    this.#line = line;
  }

  override createConnection(): Duplex {
    return this.#line.dial();
  }
}

const socketio: MakeClient = (line, channel, events) => {
  const agent = new LineAgent(line) as unknown as boolean; // the type names only browsers' values
  const socket = io("http://127.0.0.1", { transports: ["websocket"], forceNew: true, agent });
  socket.on("connect", () => {
    // The server restores the rooms of a client that it has recovered.
    if (socket.recovered) events.subscribed();
    else socket.emit("subscribe", [channel], () => events.subscribed());
  });
  socket.on("message", ({ data }: { data: { n: number } }) => events.message(data.n));
  socket.on("disconnect", () => events.ended());
};

export const CLIENTS: Readonly<Record<ClientName, MakeClient>> = { odin, socketio };
