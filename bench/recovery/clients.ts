/** The clients of the bench: each one is the peer's own client library on a line. */

import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import { connect } from "@odin-ws/client";
import { io } from "socket.io-client";
import type { Line } from "./line.ts";
import { LineSocket } from "./line-socket.ts";
import type { ClientName } from "./load-messages.ts";

export interface ClientEvents {
  /** The server has confirmed the subscription on a new connection. */
  subscribed(): void;
  /** The connection has ended, or an attempt has failed. */
  ended(): void;
  message(n: number): void;
  heartbeat(): void;
}

export type MakeClient = (line: Line, channel: string, events: ClientEvents) => void;

const ACKNOWLEDGED = '{"type":"subscription_ack"';
const HEARTBEAT = '{"type":"heartbeat"';

/** Reports what the library does not: its answers on the wire. */
class ReportingSocket extends LineSocket {
  readonly #events: ClientEvents;

  constructor(line: Line, url: string, events: ClientEvents) {
    super(line, url);
    this.#events = events;
  }

  protected override receive(text: string): void {
    super.receive(text);
    if (text.startsWith(ACKNOWLEDGED)) this.#events.subscribed();
  }

  override send(text: string): void {
    if (text.startsWith(HEARTBEAT)) this.#events.heartbeat();
    super.send(text);
  }
}

/** The client library of this repository. */
const odin: MakeClient = (line, channel, events) => {
  const client = connect("ws://127.0.0.1/ws", {
    fallback: false, // its requests would not pass the line
    environment: {
      open: (url) => new ReportingSocket(line, url, events),
      // A gateway that refuses a client says how long to wait.
      fetch: async (_, init) => {
        if (line.isAway) throw new TypeError("the line is away");
        return fetch(`http://127.0.0.1:${line.target}/ws`, init);
      },
      window: undefined,
      navigator: undefined,
      document: undefined,
    },
  });
  client.subscribe<{ n: number }>(channel, ({ data }) => events.message(data.n));
  client.on("status", ({ state }) => {
    if (state === "waiting") events.ended();
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
