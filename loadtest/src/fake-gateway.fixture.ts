/** A gateway that can be told to be wrong, for the tests of what the load test finds. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { matcher } from "./plan.ts";

/** What it does wrong, once in the run. */
export type Wrong =
  | "nothing"
  | "drop"
  | "drop-with-gap"
  | "duplicate"
  | "reorder"
  | "alter"
  | "misdirect"
  | "forget"
  | "unasked"
  | "close"
  | "late"
  | "miscount";

interface Client {
  socket: WebSocket;
  matches: (channel: string) => boolean;
  seq: number;
  /** Sent, by seq. */
  ring: Map<number, string>;
  wrong: boolean;
}

interface Message {
  offset: number;
  channel: string;
  data: object;
  ts: number;
}

const EVERY = 20; // ms between two messages
const WRONG_AT = 30; // messages after the beginning
const LATE = 400; // ms
const WRONG_ON = "global.trending";
const CHANNELS = ["BTC.trade", "ETH.trade", "SOL.liquidity", WRONG_ON];

export class FakeGateway {
  readonly #wrong: Wrong;
  readonly #http = createServer();
  readonly #ops = createServer((_request, response) => response.end(this.#metrics()));
  readonly #clients = new Set<Client>();
  #timer: NodeJS.Timeout | undefined;
  #offset = 0;
  #sent = 0;
  #chosen: Client | undefined;
  #wrongAt = Number.POSITIVE_INFINITY;
  /** How often it went wrong. */
  done = 0;

  constructor(wrong: Wrong) {
    this.#wrong = wrong;
  }

  async start(): Promise<{ url: string; metrics: string }> {
    const server = new WebSocketServer({ server: this.#http });
    server.on("connection", (socket) => this.#onConnection(socket));
    const ports = await Promise.all([this.#http, this.#ops].map(listen));
    this.#timer = setInterval(() => this.#publish(), EVERY);
    return { url: `ws://127.0.0.1:${ports[0]}/ws`, metrics: `http://127.0.0.1:${ports[1]}/metrics` };
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { socket } of this.#clients) socket.terminate();
    for (const server of [this.#http, this.#ops]) {
      server.closeAllConnections();
      server.close();
    }
  }

  #metrics(): string {
    const factor = this.#wrong === "miscount" ? 2 : 1;
    return [
      `ws_connections_current ${this.#clients.size}`,
      "ws_connections_rejected_total 0",
      `ws_messages_sent_total ${this.#sent * factor}`,
      "ws_cpu_usage_percent 1",
      "ws_memory_usage_bytes 1000000\n",
    ].join("\n");
  }

  #onConnection(socket: WebSocket): void {
    const client: Client = {
      socket,
      matches: () => false,
      seq: 0,
      ring: new Map(),
      wrong: false,
    };
    this.#clients.add(client);
    socket.on("close", () => this.#clients.delete(client));
    const say = (message: object) => socket.send(JSON.stringify(message));
    say({
      ...{ type: "welcome", connection: "c", instance: "fake", epoch: "e", offset: this.#offset },
      ...{ heartbeat_seconds: 25, reconnect: { min_ms: 10, max_ms: 20 } },
    });
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "heartbeat") {
        say({ type: "heartbeat_ack", ts: Date.now(), seq: client.seq, offset: this.#offset });
      } else if (message.type === "subscribe") {
        client.matches = matcher(message.channels);
        // The first of the load's own clients with this channel; not the one that has a look before.
        if (this.#chosen === undefined && !message.channels.includes("*.*") && client.matches(WRONG_ON)) {
          this.#chosen = client;
          client.wrong = true;
          this.#wrongAt = this.#offset + WRONG_AT;
        }
        const { channels } = message;
        const recovered = message.since === undefined ? {} : { recovered: true, replayed: 0 };
        say({ type: "subscription_ack", subscribed: channels, count: channels.length, ...recovered });
      } else if (message.type === "replay") {
        let sent = 0;
        for (let seq = message.from_seq; seq <= message.to_seq; seq++) {
          const text = client.ring.get(seq);
          if (text === undefined) continue;
          this.#write(client, text);
          sent++;
        }
        const missing = message.to_seq - message.from_seq + 1 - sent;
        say({ type: "replay_end", from_seq: message.from_seq, to_seq: message.to_seq, sent, missing });
      }
    });
  }

  #publish(): void {
    const offset = ++this.#offset;
    const channel = CHANNELS[offset % CHANNELS.length] as string;
    const ts = Date.now() - (this.#wrong === "late" ? LATE : 0);
    const message = { offset, channel, ts, data: { n: offset } };
    for (const client of this.#clients) {
      // Several clients have this channel; what goes wrong goes wrong on it, with one of them.
      const wrong = client.wrong && offset >= this.#wrongAt && channel === WRONG_ON;
      if (!client.matches(channel)) continue;
      if (wrong) this.#goWrong(client, message);
      else this.#deliver(client, message);
    }
  }

  #text(client: Client, { offset, ts, channel, data }: Message): string {
    const text = JSON.stringify({
      seq: ++client.seq,
      offset,
      ts,
      type: "x:update",
      priority: "high",
      channel,
      data,
    });
    client.ring.set(client.seq, text);
    return text;
  }

  #write(client: Client, text: string): void {
    this.#sent++;
    client.socket.send(text);
  }

  #deliver(client: Client, message: Message): void {
    this.#write(client, this.#text(client, message));
  }

  #goWrong(client: Client, message: Message): void {
    this.#wrongAt = Number.POSITIVE_INFINITY;
    this.done++;
    switch (this.#wrong) {
      case "drop":
        return;
      case "drop-with-gap":
        this.#text(client, message);
        return;
      case "duplicate":
        this.#deliver(client, message);
        return this.#deliver(client, message);
      case "reorder": {
        const next = { ...message, offset: ++this.#offset, data: { n: this.#offset } };
        // The others get both in order: the first one in the course of this turn.
        queueMicrotask(() => {
          for (const other of this.#clients)
            if (other !== client && other.matches(message.channel)) this.#deliver(other, next);
        });
        this.#deliver(client, next);
        return this.#deliver(client, message);
      }
      case "alter":
        return this.#deliver(client, { ...message, data: { n: -1 } });
      case "misdirect":
        return this.#deliver(client, { ...message, channel: "global.new_listing" });
      case "forget":
        client.matches = () => false;
        return;
      case "unasked": {
        this.#deliver(client, message);
        const offset = ++this.#offset;
        return this.#deliver(client, { ...message, offset, channel: "NOBODY.asked", data: {} });
      }
      case "close":
        client.wrong = false;
        return client.socket.close(1011);
      default:
        return this.#deliver(client, message);
    }
  }
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
